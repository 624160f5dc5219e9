import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ScriptedApiServer } from '@weft/testkit';
import { KubeClient } from '../client/kube-client.ts';
import { type ClusterFinding, checkCluster } from './cluster-check.ts';

/** What the scripted server gives to everything that is made there. */
const SERVER_MS = Date.parse('2026-01-01T00:00:00Z');

async function check(t: TestContext, wallMs: number, prepare: (server: ScriptedApiServer) => void = () => undefined) {
  const server = new ScriptedApiServer();
  prepare(server);
  const url = await server.listen();
  const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'default' });
  t.after(async () => {
    await client.close();
    await server.close();
  });
  const findings = await checkCluster({ client, namespace: 'weft-system', wallMs: () => wallMs });
  return (name: string): ClusterFinding | undefined => findings.find((finding) => finding.check === name);
}

test('clocks that are ten minutes apart are a failure that says what to do', async (t) => {
  for (const skewMs of [600_000, -600_000]) {
    const found = await check(t, SERVER_MS + skewMs);
    assert.equal(found('clock')?.state, 'failed');
    assert.match(found('clock')?.message ?? '', /^600 s from/);
    assert.match(found('clock')?.fix ?? '', /NTP/);
  }
  assert.equal((await check(t, SERVER_MS + 2_000))('clock')?.state, 'ok');
});

test('a server that does not answer is the only finding', async (t) => {
  const found = await check(t, SERVER_MS, (server) => {
    server.fault = () => 'reset';
  });
  assert.equal(found('API server')?.state, 'failed');
  assert.equal(found('clock'), undefined);
});

test('a namespace that asks for sidecars and forbids capture is a failure that names it and the ways out', async (t) => {
  const labels = { 'weft.dev/inject': 'enabled', 'pod-security.kubernetes.io/enforce': 'restricted' };
  const found = await check(t, SERVER_MS, (server) => {
    server.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels } });
  });
  assert.equal(found('capture')?.state, 'failed');
  assert.match(found('capture')?.message ?? '', /shop/);
  assert.match(found('capture')?.fix ?? '', /capture: None/);
});
