/** Pods of a labelled namespace talk: through sidecars, by mutual TLS, under the routes of the Service. */
import assert from 'node:assert/strict';
import { type TestContext, describe, test } from 'node:test';
import type { KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import { WAIT_MS } from '../api/cluster-fixture.ts';
import { type Echo, needsNode, useMesh } from './pod-mesh.ts';

const CALLS = 40;

describe('pods that a webhook injected', needsNode, () => {
  test('call a Service by mutual TLS of their service accounts, and obey an HTTPRoute on it', async (t: TestContext) => {
    const { mesh, cluster, namespace } = await useMesh(t);
    await Promise.all([mesh.application('web'), mesh.application('orders', { replicas: 2 })]);
    const web = await mesh.pod('web');
    assert.ok(web.injected);

    const plain = await mesh.ask(web, `http://orders/first`);
    assert.equal(plain.status, 200, plain.body);
    const { headers } = JSON.parse(plain.body) as Echo;
    assert.equal(headers['weft-client-identity'], `spiffe://cluster.local/ns/${namespace}/sa/web`);

    const route: KubeObject = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'orders', namespace },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'orders' }],
        rules: [
          {
            filters: [
              { type: 'ResponseHeaderModifier', responseHeaderModifier: { set: [{ name: 'x-way', value: 'route' }] } },
            ],
            backendRefs: [{ name: 'orders', port: 80 }],
          },
        ],
      },
    };
    await cluster.must(route);
    const routed = { direction: 'outbound', source: `${namespace}/web`, route: `HTTPRoute ${namespace}/orders` };
    await eventually(async () => (await mesh.ask(web, 'http://orders/second')).headers['x-way'] === 'route', WAIT_MS);
    assert.ok((await mesh.count(web, 'weft_requests_total', routed)) > 0);
    const arrived = { direction: 'inbound', source: `${namespace}/web`, code: '200' };
    let inbound = 0;
    for (const pod of await mesh.pods('orders')) inbound += await mesh.count(pod, 'weft_requests_total', arrived);
    assert.ok(inbound >= 2, `${inbound} requests arrived under the caller's identity`);
  });
});

describe('with two control planes', needsNode, () => {
  test('every call between pods of either is by mutual TLS, under the identity of the caller', async (t: TestContext) => {
    const { mesh, namespace } = await useMesh(t);
    await Promise.all([mesh.application('web', { replicas: 3 }), mesh.application('orders', { replicas: 3 })]);
    const controls = await mesh.pods('weft-control', 'weft-system', 'app.kubernetes.io/name');
    assert.equal(controls.length, 2);
    const streams = (): Promise<number[]> =>
      Promise.all(controls.map(({ address }) => mesh.gauge(`http://${address}:15014`, 'weft_control_sessions')));
    for (let tries = 0; (await streams()).includes(0); tries += 1) {
      assert.ok(tries < 5, 'sidecars are never spread over both');
      await mesh.restart('web');
    }
    t.diagnostic(`streams of the two: ${(await streams()).join(' and ')}`);
    const answered = new Set<string>();
    let calls = 0;
    for (const from of await mesh.pods('web')) {
      const answers = await Promise.all(Array.from({ length: CALLS }, () => mesh.ask(from, 'http://orders/')));
      for (const { status, body } of answers) {
        assert.equal(status, 200, body);
        const { headers, pod } = JSON.parse(body) as Echo;
        assert.equal(headers['weft-client-identity'], `spiffe://cluster.local/ns/${namespace}/sa/web`, pod);
        answered.add(pod);
        calls += 1;
      }
    }
    assert.equal(answered.size, 3, 'all pods of the service answered');
    t.diagnostic(`${calls} calls, all under the identity of the caller`);
  });
});

describe('the address of a pod', needsNode, () => {
  test('is called by mutual TLS, by itself and by the name of a headless Service; a stranger behind an address by none', async (t: TestContext) => {
    const { mesh, namespace } = await useMesh(t);
    await Promise.all([
      mesh.application('web'),
      mesh.application('orders'),
      mesh.application('stranger', { labels: { 'weft.dev/inject': 'disabled' } }),
    ]);
    const [web, orders, stranger] = await Promise.all([mesh.pod('web'), mesh.pod('orders'), mesh.pod('stranger')]);
    for (const url of [`http://${orders.address}:8080/`, 'http://orders-pods:8080/', 'http://orders/']) {
      const { status, body } = await mesh.ask(web, url);
      assert.equal(status, 200, `${url}: ${body}`);
      const { headers } = JSON.parse(body) as Echo;
      assert.equal(headers['weft-client-identity'], `spiffe://cluster.local/ns/${namespace}/sa/web`, url);
    }
    assert.ok(!stranger.injected);
    const began = performance.now();
    const { status, body } = await mesh.ask(web, `http://${stranger.address}:8080/`);
    assert.equal(status, 200, body);
    assert.equal((JSON.parse(body) as Echo).headers['weft-client-identity'], undefined);
    t.diagnostic(`the first call to an address outside of the mesh: ${(performance.now() - began).toFixed(0)} ms`);
  });
});
