import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { readDocuments, readObject } from '@weft/model';
import { Ajv } from 'ajv';
import { jsonSchemas } from './json-schema.ts';
import { typescriptTypes } from './typescript-types.ts';

const golden = join(import.meta.dirname, '..', '..', '..', 'model', 'golden');
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
for (const [name, schema] of jsonSchemas()) ajv.addSchema(schema, name);

/** Paths of faults, as the reader writes them; empty: none. */
function faultsOf(schema: string, value: unknown): string[] {
  ajv.validate(schema, value);
  return (ajv.errors ?? []).map(({ instancePath }) =>
    instancePath
      .slice(1)
      .replaceAll('/', '.')
      .replace(/\.(\d+)/g, '[$1]'),
  );
}

function fixtures() {
  return readdirSync(golden)
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) =>
      readDocuments(readFileSync(join(golden, name), 'utf8'), name).documents.map(({ raw, origin }) => ({
        name,
        raw,
        origin,
      })),
    );
}

test('what the reader takes, the schemas of editors take', () => {
  let seen = 0;
  for (const { name, raw, origin } of fixtures()) {
    const { object } = readObject(raw, origin);
    if (object === undefined) continue;
    if (object.apiVersion.startsWith('weft.dev/')) seen += 1;
    assert.deepEqual(faultsOf('weft.json', JSON.parse(JSON.stringify(raw))), [], `${name} ${object.kind}`);
  }
  assert.ok(seen > 5, `${seen} objects of ours were looked at`);
});

test('an unknown field, a wrong type, a value too large and a word that is none are faults at their path', () => {
  const policy = (spec: object): object => ({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'a' },
    spec,
  });
  for (const [spec, path] of [
    [{ timeout: {} }, 'spec'],
    [{ timeouts: { connect: 5 } }, 'spec.timeouts.connect'],
    [{ retries: { attempts: 5000 } }, 'spec.retries.attempts'],
    [{ loadBalancer: { type: 'Best' } }, 'spec.loadBalancer.type'],
    [{ targetRefs: [{ group: '', kind: 'Service' }] }, 'spec.targetRefs[0]'],
  ] as const) {
    assert.ok(faultsOf('weft.json', policy(spec)).includes(path), `${path}: ${faultsOf('weft.json', policy(spec))}`);
  }
  assert.deepEqual(faultsOf('weft.json', policy({ timeouts: { connect: '1s' } })), []);
});

test('a kind of ours that there is not is a fault; objects of others are left alone', () => {
  const object = { apiVersion: 'weft.dev/v1alpha1', kind: 'TrafficPolice', metadata: { name: 'a' }, spec: {} };
  assert.deepEqual(faultsOf('weft.json', object), ['kind', '']);
  assert.deepEqual(faultsOf('weft.json', { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: 5 }), []);
});

test('the types have an interface for each kind, and nothing that is unknown at a leaf', () => {
  const text = typescriptTypes();
  for (const kind of ['AuthenticationPolicy', 'Mesh', 'TelemetryPolicy', 'TrafficPolicy', 'WorkloadEntry']) {
    assert.match(text, new RegExp(`export interface ${kind} \\{`));
  }
  assert.doesNotMatch(text, /: unknown;/);
  // Nothing is left of it but exports, and it can be read as TypeScript.
  assert.equal(/^(?:\s|\/\*\*[^*]*\*\/)*$/.test(stripTypeScriptTypes(text)), true);
});
