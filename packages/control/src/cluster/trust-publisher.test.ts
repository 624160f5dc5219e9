import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { KubeClient } from '@weft/kube';
import { ScriptedApiServer } from '@weft/testkit';
import { RecordedLog } from '../control-harness.ts';
import { TrustPublisher } from './trust-publisher.ts';

async function place(t: TestContext, ...versions: string[]) {
  const server = new ScriptedApiServer();
  const kind = {
    group: 'certificates.k8s.io',
    kind: 'ClusterTrustBundle',
    plural: 'clustertrustbundles',
    namespaced: false,
  };
  for (const version of versions) server.define({ ...kind, version });
  const url = await server.listen();
  const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft-system' });
  const log = new RecordedLog();
  const roots = { pem: 'ROOT A\n' };
  const publisher = new TrustPublisher({ client, log, rootsPem: () => roots.pem });
  t.after(async () => {
    await client.close();
    await server.close();
  });
  const writes = (): string[] => server.calls.filter(({ method }) => method !== 'GET').map(({ path }) => path);
  const held = () => server.get('ClusterTrustBundle', '', 'weft-mesh')?.['spec'];
  return { server, log, roots, publisher, writes, held };
}

test('roots are published where the kind is served, once, and again when they change', async (t) => {
  const { publisher, roots, writes, held } = await place(t, 'v1beta1');
  await publisher.publish();
  assert.deepEqual(held(), { trustBundle: 'ROOT A\n' });
  await publisher.publish();
  assert.deepEqual(writes(), ['/apis/certificates.k8s.io/v1beta1/clustertrustbundles/weft-mesh']);
  roots.pem = 'ROOT A\nROOT B\n';
  await Promise.all([publisher.publish(), publisher.publish()]);
  assert.deepEqual(held(), { trustBundle: 'ROOT A\nROOT B\n' });
  assert.equal(writes().length, 2);
  publisher.forget();
  await publisher.publish();
  assert.equal(writes().length, 3);
});

test('an older version of the kind will do', async (t) => {
  const { publisher, writes } = await place(t, 'v1alpha1');
  await publisher.publish();
  assert.deepEqual(writes(), ['/apis/certificates.k8s.io/v1alpha1/clustertrustbundles/weft-mesh']);
});

test('where there is no such kind nothing is written and nothing is said', async (t) => {
  const { publisher, writes, log } = await place(t);
  await publisher.publish();
  assert.deepEqual([writes(), log.lines], [[], []]);
});

test('a refusal is said once, and tried again', async (t) => {
  const { publisher, server, log, held } = await place(t, 'v1beta1');
  server.fault = ({ method }) => (method === 'PATCH' ? { status: 403, reason: 'Forbidden' } : undefined);
  await publisher.publish();
  await publisher.publish();
  assert.equal(log.lines.length, 1);
  assert.match(log.lines[0] ?? '', /^warn the roots are not published as ClusterTrustBundle weft-mesh/);
  server.fault = () => undefined;
  await publisher.publish();
  assert.deepEqual(held(), { trustBundle: 'ROOT A\n' });
});
