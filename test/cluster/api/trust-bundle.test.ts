/** `WEFT_CLUSTER_FEATURE_GATES` of the machine's `up` switches the kind on; elsewhere the other half of this is proven. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { type TestContext, describe, test } from 'node:test';
import { type KubeObject, discover } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { WAIT_MS, needsCluster, startReplica, useCluster } from './cluster-fixture.ts';

const versions = ['v1', 'v1beta1', 'v1alpha1'];

describe('the roots of the mesh', needsCluster, () => {
  test('are published as a ClusterTrustBundle where the API server has that kind, and else nobody hears of it', async (t: TestContext) => {
    const { cluster, namespace } = await useCluster(t);
    const found = await discover(cluster.client, [
      { group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', versions },
    ]);
    assert.ok(found.ok);
    const served = found.value.get('certificates.k8s.io/ClusterTrustBundle');
    const bundle: KubeObject = {
      apiVersion: `certificates.k8s.io/${served?.version ?? 'v1'}`,
      kind: 'ClusterTrustBundle',
      metadata: { name: 'weft-mesh' },
    };
    if (served !== undefined) await cluster.delete(bundle);
    const { plane, lines } = await startReplica(t, namespace, 'one');
    await eventually(() => plane.isLeader(), WAIT_MS);
    if (served === undefined) {
      assert.ok(!lines.some((line) => line.includes('ClusterTrustBundle')));
      return;
    }
    cluster.defer(() => cluster.delete(bundle));
    await eventually(async () => (await cluster.get(bundle)) !== undefined, WAIT_MS);
    const { trustBundle } = (await cluster.get(bundle))!['spec'] as { readonly trustBundle: string };
    assert.equal(new X509Certificate(trustBundle).ca, true);
  });
});
