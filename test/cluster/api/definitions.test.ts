/** The same object, read by our reader and by an API server with our definitions: both take it, or both refuse it there. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type KubeFault, type KubeObject } from '@weft/kube';
import { type SourceDocument, readDocuments, readObject } from '@weft/model';
import { eventually } from '@weft/testkit';
import { type Cluster, WAIT_MS, needsCluster, useCluster } from './cluster-fixture.ts';

const golden = join(import.meta.dirname, '..', '..', '..', 'packages', 'model', 'golden');
const ownKinds = new Set(['Mesh', 'TrafficPolicy', 'AuthenticationPolicy', 'WorkloadEntry']);

/** What the definitions can't say, by golden file and path: the reader refuses it, at admission by the webhook. */
const readerOnly: ReadonlyMap<string, string> = new Map([]);

function documents(): { name: string; document: SourceDocument }[] {
  return readdirSync(golden)
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) =>
      readDocuments(readFileSync(join(golden, name), 'utf8'), name).documents.map((document) => ({ name, document })),
    );
}

/** Paths that the server complains of, as far as it says them. */
function fieldsOf({ causes, message }: KubeFault): string[] {
  const unknown = Array.from(message.matchAll(/unknown field "([^"]+)"/g), ([, field]) => field ?? '');
  const typed = Array.from(
    message.matchAll(/\.((?:spec|metadata)[\w.[\]]*): (?:field not declared|expected)/g),
    ([, field]) => field ?? '',
  );
  return [...causes.map(({ field }) => field), ...unknown, ...typed].filter((field) => field !== '');
}

/** A rule of an object is said of the object; a fault of a list's entry may be said of the list. */
function isAtOrAbove(said: string, ours: string): boolean {
  return said === '' || said === '<nil>' || ours === said || ours.startsWith(`${said}.`) || ours.startsWith(`${said}[`);
}

describe('the golden files of the model', needsCluster, () => {
  let cluster: Cluster;
  let namespace = '';
  const closers: (() => Promise<void>)[] = [];
  before(async () => {
    const used = await useCluster({ after: (fn) => closers.push(fn) });
    cluster = used.cluster;
    namespace = used.namespace;
    const probe = {
      apiVersion: 'weft.dev/v1alpha1',
      kind: 'TrafficPolicy',
      metadata: { name: 'probe', namespace },
      spec: { timeouts: { connect: '1s' }, retries: { attempts: 1, on: ['NeverSent'] } },
    };
    await eventually(async () => (await cluster.apply({ ...probe }, '&dryRun=All')) === undefined, WAIT_MS);
  });
  after(async () => {
    for (const close of closers) await close();
  });

  test('pass the reader and the API server alike, and fail in both at the same path or its parent', async () => {
    let passed = 0;
    let refused = 0;
    const findings: string[] = [];
    for (const { name, document } of documents()) {
      const raw = document.raw as KubeObject;
      if (!ownKinds.has(raw.kind) || raw.apiVersion !== 'weft.dev/v1alpha1') continue;
      const { problems, object } = readObject(raw, document.origin);
      const errors = problems.filter(({ severity }) => severity === 'error');
      const scope = raw.kind === 'Mesh' ? {} : { namespace };
      const fault = await cluster.apply({ ...raw, metadata: { ...raw.metadata, ...scope } }, '&dryRun=All');
      const label = `${name}: ${raw.kind} ${raw.metadata.name}`;
      if (object !== undefined) {
        passed += 1;
        if (fault !== undefined) findings.push(`${label}: the reader takes it, the server says ${fault.message}`);
        continue;
      }
      refused += 1;
      if (fault === undefined) {
        const known = errors.every(({ path }) => readerOnly.has(`${name} ${path}`));
        if (!known)
          findings.push(
            `${label}: the server takes it, the reader says ${errors.map(({ path, message }) => `${path} ${message}`).join('; ')}`,
          );
        continue;
      }
      const said = fieldsOf(fault);
      const agrees = said.some((field) => errors.some(({ path }) => isAtOrAbove(field, path)));
      if (!agrees)
        findings.push(
          `${label}: the server names ${said.join()} (${fault.message}), the reader ${errors.map(({ path }) => path).join()}`,
        );
    }
    assert.deepEqual(findings, []);
    assert.ok(passed >= 15 && refused >= 5, `${passed} passed and ${refused} refused: too few to mean anything`);
  });

  test('have a text for every field in kubectl explain', async () => {
    const got = await cluster.client.get('/openapi/v3/apis/weft.dev/v1alpha1');
    assert.ok(got.ok);
    const text = JSON.stringify(got.value);
    assert.match(text, /A slower answer is a failure\. Default: 1s\./);
  });
});
