import assert from 'node:assert/strict';
import { createSecureContext } from 'node:tls';
import { type TestContext, describe, test } from 'node:test';
import { makeKeyAndCsr } from '@weft/identity';
import type { KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { issueCertificate } from '@weft/wire';
import {
  type Cluster,
  type RunningControl,
  WAIT_MS,
  needsCluster,
  startReplica,
  useCluster,
} from './cluster-fixture.ts';

describe('attestation by the token of a pod', needsCluster, () => {
  test('gives the identity of its account, for our audience and while the pod is there', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const account: KubeObject = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'cart', namespace } };
    const pod: KubeObject = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'cart-1', namespace },
      spec: { serviceAccountName: 'cart', containers: [{ name: 'web', image: 'web:1' }] },
    };
    await cluster.must(account);
    await eventually(async () => cluster.must(pod), WAIT_MS);
    const made = await cluster.get(pod);
    const bound = { name: 'cart-1', uid: String((made?.metadata as { uid?: string } | undefined)?.uid) };
    const control = await startReplica(t, namespace, 'one');
    const roots = await rootsOf(cluster, namespace);
    const ask = (held: string): Promise<string> => issueWith(control, roots, held);

    const good = await ask(await cluster.token(namespace, 'cart', 'weft', bound));
    assert.equal(good, `spiffe://cluster.local/ns/${namespace}/sa/cart`);
    const forServer = await ask(await cluster.token(namespace, 'cart', '', bound));
    assert.match(forServer, /does not take this token for the audience weft/);
    const unbound = await ask(await cluster.token(namespace, 'cart', 'weft'));
    assert.match(unbound, /bound to no pod/);
    assert.match(await ask('nonsense'), /does not take this token/);

    const kept = await cluster.token(namespace, 'cart', 'weft', bound);
    await cluster.delete(pod);
    await eventually(async () => assert.match(await ask(kept), /is not there|does not take this token/), WAIT_MS);
    await cluster.must(pod);
    // Another pod of the same name: the token of the first is not good for it.
    await eventually(async () => assert.match(await ask(kept), /another one|does not take this token/), WAIT_MS);
    await cluster.delete(account);
    const again = await ask(kept);
    assert.doesNotMatch(again, /^spiffe:/);
  });
});

async function rootsOf(cluster: Cluster, namespace: string): Promise<string> {
  const secret = await cluster.get({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'weft-root', namespace } });
  const files = Object.entries((secret?.['data'] ?? {}) as Readonly<Record<string, string>>);
  const pem = files.map(([, text]) => Buffer.from(text, 'base64').toString('latin1')).join('');
  return Array.from(pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g), ([each]) => each).join(
    '\n',
  );
}

/** The identity that was issued, or why none was. */
async function issueWith({ plane }: RunningControl, ca: string, serviceAccountToken: string): Promise<string> {
  const { csr } = makeKeyAndCsr();
  const tls = { context: createSecureContext({ ca, minVersion: 'TLSv1.3' }), verifyServer: () => undefined };
  const issued = await issueCertificate(plane.address, tls, {
    csr,
    joinToken: '',
    serviceAccountToken,
    certificate: null,
  });
  return issued.ok ? issued.value.identity : issued.error.message;
}
