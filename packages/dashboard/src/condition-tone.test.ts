import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionTone } from './condition-tone.ts';

test('a Gateway without conflicts is well, though the condition is False', () => {
  assert.equal(conditionTone({ type: 'Conflicted', status: 'False' }), 'good');
  assert.equal(conditionTone({ type: 'Conflicted', status: 'True' }), 'bad');
  assert.equal(conditionTone({ type: 'Accepted', status: 'False' }), 'bad');
  assert.equal(conditionTone({ type: 'Accepted', status: 'Unknown' }), 'quiet');
});
