import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programmedCondition } from './condition.ts';

const cases: readonly [string, number, number, number, string, string][] = [
  ['nobody uses it', 0, 0, 0, 'True', 'NoSubscribers'],
  ['all have it', 40, 40, 0, 'True', 'Programmed'],
  ['one is behind', 40, 39, 0, 'False', 'Pending'],
  ['one is too old', 40, 38, 1, 'False', 'ProxyTooOld'],
];

for (const [name, subscribers, acknowledged, tooOld, status, reason] of cases) {
  test(`Programmed is ${status} ${reason} when ${name}`, () => {
    const condition = programmedCondition({ subscribers, acknowledged, tooOld }, 3);
    assert.equal(condition.status, status);
    assert.equal(condition.reason, reason);
    assert.equal(condition.observedGeneration, 3);
    if (subscribers > 0) assert.match(condition.message, new RegExp(`^${acknowledged} of ${subscribers} proxies`));
  });
}
