import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeWarning, soundNode } from './node-release.ts';

test('a Node with known weaknesses is warned of, one without is not', () => {
  for (const version of ['26.10.0', '26.13.0', '25.99.9', '9.0.0']) assert.match(nodeWarning(version), /SECURITY\.md/);
  for (const version of [soundNode, '26.13.2', '26.14.0', '27.0.0', '100.0.0']) assert.equal(nodeWarning(version), '');
});
