/**
 * Two captured pods without a cluster: network namespaces joined by a router, rules of the kernel, real sidecars as the user of
 * their own, a control plane in the router. The applications know of nothing.
 */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NamespacePrograms, ip, namespaceLack } from './namespace-programs.ts';

const weftBin = fileURLToPath(new URL('../../packages/cli/bin/weft.cjs', import.meta.url));
const SIDECAR = 15_001;
const APPLICATION = 1_000;
const LISTENS = 'the application listens';
const ORDERS = '10.99.0.5';
const LEDGER = '10.99.0.6';
const router = `weft-e2e-router-${process.pid}`;
const pods = {
  cart: { namespace: `weft-e2e-cart-${process.pid}`, address: '10.78.1.2', gateway: '10.78.1.1' },
  orders: { namespace: `weft-e2e-orders-${process.pid}`, address: '10.78.2.2', gateway: '10.78.2.1' },
} as const;
type Pod = keyof typeof pods;

const mesh = `
apiVersion: v1
kind: Service
metadata: { name: orders, namespace: shop }
spec: { clusterIP: ${ORDERS}, selector: { app: orders }, ports: [{ port: 80, targetPort: 8080, appProtocol: http }] }
---
apiVersion: v1
kind: Service
metadata: { name: ledger, namespace: shop }
spec: { clusterIP: ${LEDGER}, selector: { app: orders }, ports: [{ port: 5432, targetPort: 9090, appProtocol: tcp }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { selector: { app: cart }, ports: [{ port: 80, targetPort: 8080, appProtocol: http }] }
---
apiVersion: weft.dev/v1alpha1
kind: WorkloadEntry
metadata: { name: orders, namespace: shop }
spec: { address: ${pods.orders.address}, labels: { app: orders }, serviceAccount: orders }
---
apiVersion: weft.dev/v1alpha1
kind: Mesh
metadata: { name: default }
spec: { required: { authentication: { mtls: { mode: Strict } } } }
`;

/** Says who called, in HTTP on one port and as bytes on another. */
const application = `
let closed = 3;
const listening = () => (closed -= 1) === 0 && console.log('${LISTENS}');
require('http').createServer((q, r) => r.end([q.headers.host, q.headers['weft-client-identity'], q.url].join(' '))).listen(8080, listening);
require('net').createServer((s) => s.end('ledger\\n')).listen(9090, listening);
require('http').createServer((q, r) => r.end('hidden')).listen(7070, listening);
`;

describe('captured pods', { skip: namespaceLack }, () => {
  const programs = new NamespacePrograms('captured');
  const { folder } = programs;

  /** As an application of the pod, or from outside of all pods. */
  const curl = (from: Pod | 'outside', ...args: readonly string[]): string =>
    programs.run(
      from === 'outside' ? router : pods[from].namespace,
      APPLICATION,
      'curl',
      '-sS',
      '--noproxy',
      '*',
      '--max-time',
      '20',
      ...args,
    );

  before(async () => {
    ip('netns', 'add', router);
    ip('-n', router, 'link', 'set', 'lo', 'up');
    for (const { namespace, address, gateway } of Object.values(pods)) {
      const cable = `v${address.split('.')[2]}`;
      ip('netns', 'add', namespace);
      ip('-n', namespace, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', cable, 'netns', router);
      ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
      ip('-n', router, 'addr', 'add', `${gateway}/24`, 'dev', cable);
      for (const [name, link] of [
        [namespace, 'lo'],
        [namespace, 'eth0'],
        [router, cable],
      ] as const) {
        ip('-n', name, 'link', 'set', link, 'up');
      }
      ip('-n', namespace, 'route', 'add', 'default', 'via', gateway);
    }
    ip('netns', 'exec', router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
    mkdirSync(join(folder, 'mesh'));
    writeFileSync(join(folder, 'mesh', 'mesh.yaml'), mesh);
    // Others pass through it, and find what is theirs.
    chmodSync(folder, 0o711);
    mkdirSync(join(folder, 'sidecars'));
    chownSync(join(folder, 'sidecars'), SIDECAR, SIDECAR);
    const socket = join(folder, 'control.sock');
    const control = [
      'control',
      '--config',
      join(folder, 'mesh'),
      '--state',
      join(folder, 'control'),
      '--admin-socket',
      socket,
    ];
    const where = ['--host', '0.0.0.0', '--port', '15012', '--advertised-host', pods.cart.gateway];
    programs.start(router, 0, [weftBin, ...control, ...where, '--metrics-port', '-1']);
    programs.start(router, APPLICATION, [
      '-e',
      "require('http').createServer((q, r) => r.end('outside')).listen(9000)",
    ]);
    await programs.until('no control plane', () => existsSync(socket));
    for (const [name, { namespace, address, gateway }] of Object.entries(pods)) {
      const applied = programs.run(
        namespace,
        0,
        process.execPath,
        weftBin,
        ...'capture apply --prove --inbound=all --outbound=all --exclude-inbound-ports=15020'.split(' '),
      );
      assert.match(applied, /rules written with nft\nproven: IPv4 leaves by port 15001\n/);
      const token = programs.run(
        router,
        0,
        process.execPath,
        weftBin,
        'token',
        'create',
        '--admin-socket',
        socket,
        '--namespace',
        'shop',
        '--service',
        name,
      );
      const own = name === 'cart' ? '--service cart --port http=8080' : '--port http=8080 --port 9090';
      const place = `--mesh-host ${address} --metrics-host ${address} --state ${join(folder, 'sidecars', name)}`;
      const flags = `--namespace shop --name ${name} --label app=${name} --capture redirect --control ${gateway}:15012 ${place} ${own}`;
      const probes = {
        '/app-health/web/livez': {
          type: 'http',
          port: 8080,
          scheme: 'http',
          path: '/live',
          headers: [],
          timeoutMs: 10_000,
        },
      };
      programs.start(namespace, SIDECAR, [weftBin, 'proxy', ...flags.split(' ')], {
        WEFT_TOKEN: token.trim(),
        WEFT_DRAIN_KEY: 'key',
        WEFT_APP_PROBES: JSON.stringify(probes),
      });
      programs.start(namespace, APPLICATION, ['-e', application]);
    }
    const ready = (name: Pod): boolean => curl('outside', `http://${pods[name].address}:15020/ready`) === 'ready\n';
    await programs.until('the sidecars are not ready', () => ready('cart') && ready('orders'));
    // The applications may come later than their sidecars.
    await programs.until('the applications do not listen', () => programs.output.split(LISTENS).length === 3);
  });

  after(() => programs.end([router, ...Object.values(pods).map(({ namespace }) => namespace)]));

  it('call a service by its virtual address, whatever host they name, and are known by their identity', () => {
    for (const host of ['orders', 'anything.example']) {
      const answer = curl('cart', '-H', `Host: ${host}`, `http://${ORDERS}/a?b=c`);
      assert.equal(answer, `${host} spiffe://cluster.local/ns/shop/sa/cart /a?b=c`, programs.output);
    }
  });

  it('carry what is no HTTP to the service of the address', () => {
    assert.equal(curl('cart', `telnet://${LEDGER}:5432`), 'ledger\n', programs.output);
  });

  it('reach what is outside of the mesh as it is', () => {
    assert.equal(curl('cart', `http://${pods.cart.gateway}:9000/`), 'outside', programs.output);
  });

  it('serve nobody in plaintext under Strict, and no port that is not declared', () => {
    assert.match(curl('outside', `http://${pods.orders.address}:8080/`), /^ended with (52|56)/);
    assert.match(curl('outside', `http://${pods.orders.address}:7070/`), /^ended with (52|56)/);
  });

  it('answer the kubelet: capture shown from outside by a port where nobody listens, and the application probed from inside', () => {
    assert.equal(curl('outside', `http://${pods.orders.address}:15021/ready`), 'ready\n');
    assert.equal(curl('outside', `http://${pods.orders.address}:15020/app-health/web/livez`), 'ok\n');
  });

  it('refuse a call to the ports of capture themselves instead of going round for ever', () => {
    for (const port of [15_001, 15_006]) {
      assert.match(curl('outside', `http://${pods.orders.address}:${port}/`), /^ended with (52|56)/);
      assert.match(curl('cart', `http://${pods.cart.address}:${port}/`), /^ended with (52|56)/);
    }
    assert.match(curl('outside', `http://${pods.orders.address}:15020/metrics`), /loop-detected"?,?.*\} [1-9]/);
  });

  it('hold a stop back until callers know, for whoever has the key of the pod', () => {
    const wait = `http://${pods.orders.address}:15020/drain/wait`;
    assert.match(curl('cart', `http://${ORDERS}/`), /^10\.99\.0\.5 /, programs.output);
    const startMs = performance.now();
    assert.match(curl('outside', wait), /^only for the kubelet/);
    const askedMs = performance.now();
    assert.equal(curl('outside', '-H', 'weft-drain-key: key', wait), 'callers know\n', programs.output);
    // Under Strict nobody else is waited for, as it would be for five seconds; a call takes its time on a machine with work.
    assert.ok(performance.now() - askedMs - (askedMs - startMs) < 4_000);
    assert.match(curl('outside', `http://${pods.orders.address}:15020/ready`), /^not ready: draining/);
    const refused = curl('cart', '-i', `http://${ORDERS}/`);
    assert.match(refused, /^HTTP\/1\.1 503 [^]*weft-refused: no-endpoint/, programs.output);
  });
});
