import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { podAnnotations } from './pod-settings.ts';

test('docs/injection.md names every annotation, and none that there is not', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/injection.md'), 'utf8');
  const named = new Set(page.match(/config\.weft\.dev\/[a-z-]+/g));
  assert.deepEqual([...named].sort(), podAnnotations.map(({ name }) => name).sort());
});
