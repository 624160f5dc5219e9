import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  type Change,
  Model,
  type ObjectKey,
  type Problem,
  type ResourceKey,
  type WorkloadInstance,
  canonicalBytes,
  effectiveTraffic,
  formatProblem,
  objectKey,
  readDocuments,
  readObject,
  resolveResource,
  statusOf,
  statusOfRefused,
} from './index.ts';

/**
 * Each file of `golden/` holds one behaviour: the first comment is its sentence, `# show:` the resources (`key@caller
 * namespace`), `# status:` and `# refused:` the objects and `# sources:` the destinations to look at, `# instance:` attested
 * proxies. The JSON beside it is what came out; `WEFT_GOLDEN=write` writes it anew (run the formatter after it),
 * and the difference is read by a person.
 */
const folder = join(import.meta.dirname, '..', 'golden');
const rewrite = process.env['WEFT_GOLDEN'] === 'write';

for (const name of readdirSync(folder).filter((each) => each.endsWith('.yaml'))) {
  const text = readFileSync(join(folder, name), 'utf8');
  test(`${name}: ${(text.split('\n', 1)[0] ?? '').slice(2)}`, () => {
    const expectedFile = join(folder, name.replace(/\.yaml$/, '.json'));
    const compiled = compile(text, name, (changes) => changes);
    if (rewrite) writeFileSync(expectedFile, `${JSON.stringify(compiled, null, 2)}\n`);
    assert.deepEqual(compiled, JSON.parse(readFileSync(expectedFile, 'utf8')));
    const backwards = compile(text, name, (changes) => changes.toReversed());
    assert.deepEqual(canonicalBytes(backwards), canonicalBytes(compiled), 'arrival order changed the result');
  });
}

test('there are at least thirty golden files', () => {
  assert.ok(readdirSync(folder).filter((each) => each.endsWith('.yaml')).length >= 30);
});

function compile(text: string, file: string, arrange: (changes: Change[]) => Change[]): unknown {
  const model = new Model();
  const { documents, problems } = readDocuments(text, file);
  const all: Problem[] = [...problems];
  const changes: Change[] = [];
  const refused: Record<string, unknown> = {};
  for (const { raw, origin } of documents) {
    const result = readObject(raw, origin);
    all.push(...result.problems);
    if (result.object !== undefined) changes.push({ type: 'Upsert', object: result.object });
    const key = objectKey(result.ref.kind, result.ref.namespace, result.ref.name);
    if (words(text, 'refused').includes(key)) refused[key] = statusOfRefused(result.ref, result.problems).conditions;
  }
  for (const line of text.matchAll(/^# instance: (.*)$/gm)) {
    changes.push({ type: 'UpsertInstance', instance: JSON.parse(line[1]!) as WorkloadInstance });
  }
  model.applyChanges(arrange(changes));
  const resources: Record<string, unknown> = {};
  for (const word of words(text, 'show')) {
    const [key = '', caller = ''] = word.split('@');
    resources[word] = resolveResource(model, key as ResourceKey, caller) ?? null;
  }
  const status: Record<string, unknown> = {};
  for (const key of words(text, 'status')) status[key] = statusOf(model, key as ObjectKey) ?? null;
  const sources: Record<string, unknown> = {};
  for (const word of words(text, 'sources')) {
    const [key = '', caller = ''] = word.split('@');
    const traffic = effectiveTraffic(model, key, caller);
    sources[word] = { ...traffic?.request.sources, ...traffic?.endpoint.sources };
  }
  return { problems: all.map(formatProblem), resources, status, refused, sources };
}

function words(text: string, name: string): string[] {
  const line = new RegExp(`^# ${name}: (.*)$`, 'm').exec(text);
  return line === null ? [] : line[1]!.split(' ');
}
