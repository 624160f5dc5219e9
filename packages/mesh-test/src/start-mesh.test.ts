import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { eventually } from '@weft/testkit';
import { startMesh } from './start-mesh.ts';
import type { MeshOptions, TestMesh } from './start-mesh.ts';

function meshTest(name: string, options: MeshOptions, run: (mesh: TestMesh) => Promise<void>): void {
  it(name, async () => {
    const mesh = await startMesh(options);
    try {
      await run(mesh);
    } finally {
      await mesh.stop();
    }
  });
}

const canary = (first: number, second: number): string => `
apiVersion: v1
kind: Service
metadata: {name: orders-v1, namespace: default}
spec: {selector: {app: orders, version: v1}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders, namespace: default}
spec:
  parentRefs: [{group: "", kind: Service, name: orders}]
  rules:
  - backendRefs:
    - {name: orders, port: 80, weight: ${first}}
    - {name: next, port: 80, weight: ${second}}
`;

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec:
  gatewayClassName: weft
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: front, namespace: default}
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /shop}}]
    backendRefs: [{name: orders, port: 80}]
`;

/** Less than the ten seconds after which a report comes in any case. */
const SOON_MS = 6_000;

describe('a mesh in one process', () => {
  /** Answers of the instance that leaves, until somebody gives them. */
  const held: ServerResponse[] = [];

  meshTest(
    'carries a call from one service to another, and says who called',
    {
      services: {
        web: {},
        orders: {
          handler: (request, response) => {
            const parts: Buffer[] = [];
            request.on('data', (chunk: Buffer) => parts.push(chunk));
            request.on('end', () => {
              response.setHeader('x-caller', String(request.headers['weft-client-identity']));
              response.end(`${request.method} ${request.url} ${Buffer.concat(parts).toString()}`);
            });
          },
        },
      },
    },
    async (mesh) => {
      const response = await mesh.fetch('web', 'http://orders/items?of=7', { method: 'POST', body: 'hello' });
      assert.equal(response.status, 200);
      assert.equal(await response.text(), 'POST /items?of=7 hello');
      assert.equal(response.headers.get('x-caller'), 'spiffe://cluster.local/ns/default/sa/web');
      assert.deepEqual(mesh.requests('orders'), [1]);
      const unknown = await mesh.fetch('web', 'http://orders.default.svc.cluster.local:81/');
      assert.equal(unknown.status, 404);
      assert.equal(unknown.headers.get('weft-refused'), 'unknown-host');
    },
  );

  meshTest(
    'calls the configuration of a proxy by one version on both ends of its stream',
    { services: { web: {}, orders: { handler: (_request, response) => response.end('ok') } } },
    async (mesh) => {
      assert.equal((await mesh.fetch('web', 'http://orders/')).status, 200);
      await eventually(() => {
        for (const { name, version } of mesh.control.status().proxies) {
          const service = name.slice(name.indexOf('/') + 1, name.lastIndexOf('-'));
          assert.notEqual(version, '');
          assert.equal(version, mesh.proxy(service).stats().version);
        }
      }, 5_000);
    },
  );

  meshTest(
    'tells the control plane at once that a proxy is ready, or leaves, and takes a wanted end for no loss',
    {
      services: {
        web: {},
        orders: {
          instances: 2,
          handler: (_request, response, instance) => void (instance === 1 ? held.push(response) : response.end('ok')),
        },
      },
    },
    async (mesh) => {
      const report = (name: string) => mesh.control.status().proxies.find((proxy) => proxy.name === name)?.report;
      const names = ['default/web-0', 'default/orders-0', 'default/orders-1'];
      await eventually(() => names.every((name) => report(name)?.ready === true), SOON_MS);
      const calls = [1, 2, 3].map(() => mesh.fetch('web', 'http://orders/'));
      await eventually(() => held.length > 0, SOON_MS);
      const gone = mesh.drain('orders', 1);
      await eventually(() => report('default/orders-1')?.draining === true, SOON_MS);
      assert.equal(report('default/orders-1')!.ready, false);
      for (const response of held) response.end('ok');
      for (const response of await Promise.all(calls)) assert.equal(response.status, 200);
      await gone;
      assert.deepEqual(
        mesh.log.filter((line) => line.includes('control plane lost')),
        [],
      );
    },
  );

  meshTest(
    'shifts traffic when a route changes',
    {
      services: {
        web: {},
        orders: { handler: (_request, response) => response.end('old') },
        next: { handler: (_request, response) => response.end('new') },
      },
      routes: canary(1, 0),
    },
    async (mesh) => {
      const call = async (): Promise<string> => (await mesh.fetch('web', 'http://orders/')).text();
      assert.deepEqual(await Promise.all([call(), call(), call()]), ['old', 'old', 'old']);
      await mesh.apply(canary(0, 1));
      assert.deepEqual(await Promise.all([call(), call(), call()]), ['new', 'new', 'new']);
      await assert.rejects(
        mesh.apply(canary(1, 0).replace('weight: 1', 'weight: -1')),
        /routes\.yaml:\d+ HTTPRoute orders .*weight/,
      );
      assert.equal(await call(), 'new');
    },
  );

  meshTest(
    'hides a broken instance from callers',
    {
      services: {
        web: {},
        orders: { instances: 3, handler: (_request, response, instance) => response.end(`from ${instance}`) },
      },
      faults: [{ service: 'orders', instance: 1, status: 503 }],
    },
    async (mesh) => {
      for (let call = 0; call < 60; call += 1) {
        const response = await mesh.fetch('web', 'http://orders/');
        assert.equal(response.status, 200);
      }
      const [first, broken, third] = mesh.requests('orders');
      assert.ok(first! > 0 && third! > 0);
      assert.ok(broken! < 15, `${broken} of the requests went to the broken instance`);
      mesh.heal('orders', 1);
      mesh.break('orders', 0, 'reset');
      for (let call = 0; call < 30; call += 1) {
        assert.equal((await mesh.fetch('web', 'http://orders/')).status, 200);
      }
    },
  );

  meshTest(
    'takes an ejected instance back once its time is over, without the test waiting for it',
    {
      services: {
        web: {},
        orders: { instances: 2, handler: (_request, response) => response.end('ok') },
      },
    },
    async (mesh) => {
      mesh.break('orders', 1);
      // Five errors in a row eject it. After the first it is avoided, and asked again as time passes.
      for (let call = 0; call < 200 && mesh.requests('orders')[1]! < 5; call += 1) {
        await mesh.fetch('web', 'http://orders/');
        mesh.clock.advance(1_000);
      }
      mesh.heal('orders', 1);
      const broken = mesh.requests('orders')[1]!;
      assert.equal(broken, 5);
      for (let call = 0; call < 20; call += 1) await mesh.fetch('web', 'http://orders/');
      assert.equal(mesh.requests('orders')[1], broken, 'it is ejected');
      mesh.clock.advance(60_000);
      for (let call = 0; call < 40; call += 1) {
        assert.equal((await mesh.fetch('web', 'http://orders/')).status, 200);
      }
      assert.ok(mesh.requests('orders')[1]! > broken, 'it is back');
    },
  );

  meshTest(
    'loses no request while an instance leaves',
    {
      services: {
        web: {},
        // The answer comes a turn after the whole request, so that requests are always under way.
        orders: {
          instances: 2,
          handler: (request, response) =>
            void request.resume().once('end', () => void setImmediate(() => response.end('ok'))),
        },
      },
    },
    async (mesh) => {
      const load = { done: false };
      const statuses = new Set<number>();
      let calls = 0;
      const callers = Array.from({ length: 6 }, async () => {
        while (!load.done) {
          statuses.add((await mesh.fetch('web', 'http://orders/', { method: 'POST', body: 'x' })).status);
          calls += 1;
        }
      });
      await mesh.drain('orders', 0);
      const target = calls + 50;
      await eventually(() => calls >= target, 10_000);
      load.done = true;
      await Promise.all(callers);
      assert.deepEqual([...statuses], [200]);
    },
  );

  meshTest(
    'has an edge',
    {
      services: { orders: { handler: (request, response) => response.end(request.headers['x-forwarded-for']) } },
      routes: gateway,
      gateways: ['edge'],
    },
    async (mesh) => {
      const inside = await mesh.fetch('edge', 'http://anything.example/shop/1', {
        headers: { 'x-forwarded-for': '6.6.6.6' },
      });
      assert.equal(inside.status, 200);
      assert.equal(await inside.text(), '127.0.0.1');
      assert.equal((await mesh.fetch('edge', 'http://anything.example/other')).status, 404);
    },
  );

  it('leaves nothing open when it stops: a process with a mesh in it ends by itself', async () => {
    const program = `
      import { startMesh } from ${JSON.stringify(new URL('start-mesh.ts', import.meta.url).href)};
      const mesh = await startMesh({
        services: { web: {}, orders: { instances: 2, handler: (_request, response) => response.end('ok') } },
      });
      const response = await mesh.fetch('web', 'http://orders/');
      await mesh.stop();
      // What was closed goes in the next turns.
      const left = () => process.getActiveResourcesInfo().filter((kind) => kind !== 'PipeWrap' && kind !== 'Timeout');
      for (let tries = 0; tries < 100 && left().length > 0; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      console.log([response.status, ...left()].join(' '));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { timeout: 60_000 });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => void (said += chunk.toString()));
    const [code, signal] = await once(child, 'close');
    assert.deepEqual([code, signal], [0, null], said);
    // Standard output and error of the child are pipes, which are left out; so is the timer that asks.
    assert.equal(said, '200\n');
  });

  it('says what is wrong with the configuration it was started with, and leaves nothing behind', async () => {
    await assert.rejects(
      startMesh({ services: { web: {} }, routes: canary(1, 0).replace('backendRefs', 'backends') }),
      /routes\.yaml:\d+ HTTPRoute orders .*backends/,
    );
  });
});
