import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generatedFiles } from '../../deploy/build/generated-files.ts';
import { readText } from './source-tree.ts';

test('generated files are what the tables say; npm run generate writes them', () => {
  for (const { path, text } of generatedFiles()) assert.equal(readText(path), text, path);
});
