import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replicaNote } from './replica-note.ts';

test('replicas that did not answer are counted and named with the reason, and nothing is said when all did', () => {
  assert.equal(replicaNote([]), '');
  assert.equal(replicaNote([{ replica: 'one', silent: '' }]), '');
  const note = replicaNote([
    { replica: 'one', silent: '' },
    { replica: 'two', silent: 'its pod is not ready' },
  ]);
  assert.match(note, /^weft: 1 of 2 replicas of the control plane not reached/);
  assert.match(note, /two: its pod is not ready\n$/);
});
