import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runCommandLine } from '../command-line.ts';
import { CommandFault } from '../exit-code.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-explain-'));
after(() => rmSync(folder, { recursive: true }));

async function weft(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    coloured: false,
  };
  const code = await runCommandLine(args, terminal).catch((error: unknown) => {
    if (!(error instanceof CommandFault)) throw error;
    err += `weft: ${error.message}\n`;
    return error.exitCode;
  });
  return { code, out, err };
}

/** A mesh of two namespaces and a Gateway; `main` takes what the canary rule leaves. */
function meshFolder(name: string, main: string): string {
  const place = join(folder, name);
  mkdirSync(place);
  const services = ['shop/orders', 'shop/next', 'web/orders'].map((key) => {
    const [namespace, service] = key.split('/');
    return `apiVersion: v1\nkind: Service\nmetadata: {name: ${service}, namespace: ${namespace}}\nspec: {selector: {app: a}, ports: [{name: http, port: 80}]}\n`;
  });
  writeFileSync(join(place, 'services.yaml'), services.join('---\n'));
  writeFileSync(
    join(place, 'routes.yaml'),
    `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: orders}, {name: edge}]
  rules:
  - name: canary
    matches: [{headers: [{name: x-version, value: "2"}]}]
    backendRefs: [{name: next, port: 80}]
  - name: main
    backendRefs: [{name: ${main}, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec: {gatewayClassName: weft, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: orders, namespace: shop}
spec: {targetRefs: [{group: "", kind: Service, name: orders}], timeouts: {request: 3s}}
`,
  );
  return place;
}

const before = meshFolder('before', 'orders');
const next = meshFolder('next', 'next');

test('explain finds the namespace of the caller, the rule, and who said its time-out', async () => {
  const { code, out } = await weft('explain', '--from', 'next', 'GET', 'http://orders/a', '-c', before);
  assert.equal(code, 0);
  assert.match(out, /from workloads of namespace shop\n/);
  assert.match(out, /rule {8}HTTPRoute shop\/orders, rule main, match 0/);
  assert.match(out, /request 3s \(TrafficPolicy shop\/orders\)/);
  assert.match(out, /header x-version: expected 2, the request has none/);
});

test('explain asks which is meant where a name stands in two namespaces', async () => {
  const { code, err } = await weft('explain', '--from', 'orders', 'GET', 'http://orders/a', '-c', before);
  assert.equal(code, 2);
  assert.match(err, /orders may be shop\/orders or web\/orders: say which/);
});

test('explain answers for a Gateway, and as data', async () => {
  const args = [
    'explain',
    '--from',
    'edge',
    '--gateway',
    'GET',
    'http://any.example/',
    '-H',
    'x-version: 2',
    '-c',
    before,
  ];
  const { code, out } = await weft(...args, '-o', 'json');
  assert.equal(code, 0);
  const said = JSON.parse(out) as { way: { listener: string }; record: { winner: { rule: string } } };
  assert.deepEqual([said.way.listener, said.record.winner.rule], ['shop/edge/http', 'canary']);
  const absent = await weft('explain', '--from', 'door', '--gateway', 'GET', 'http://any.example/', '-c', before);
  assert.match(absent.err, /no Gateway door; there are shop\/edge/);
});

test('explain ends with 1 for a request that would be refused', async () => {
  const { code, out } = await weft('explain', '--from', 'shop/x', 'GET', 'http://orders:81/', '-c', before);
  assert.equal(code, 1);
  assert.match(out, /refused with 404 \(unknown-host\)/);
});

test('diff tells what changes, and by its exit code when asked to', async () => {
  const { code, out } = await weft('diff', before, next);
  assert.equal(code, 0);
  assert.match(out, /shop\/orders:80 for all callers\n {2}~ PathPrefix \/: shop\/orders:80 -> shop\/next:80/);
  assert.match(out, /Gateway shop\/edge/);
  assert.equal((await weft('diff', '--exit-code', before, next)).code, 1);
  assert.deepEqual(await weft('diff', '--exit-code', before, before), {
    code: 0,
    out: 'no change in behaviour\n',
    err: '',
  });
});

test('simulate replays logs of a file, and fails above the number that is allowed to move', async () => {
  const log = join(folder, 'access.log');
  const line = (rule: string): string =>
    `{"time":"2026-11-22T22:00:00.123Z","level":"info","direction":"outbound","protocol":"http/1.1","method":"GET","authority":"orders","path":"/","status":200,"termination":"completed","source":"shop/web","destination":"shop/orders:80","route":"HTTPRoute shop/orders","rule":"${rule}","configVersion":"0123456789abcdef"}\n`;
  writeFileSync(log, line('main').repeat(3) + line('canary'));
  const args = ['simulate', '--log', log, '-c', next, '--against', before];
  const { code, out } = await weft(...args);
  assert.equal(code, 0);
  assert.match(out, /^3 of 4 requests would be routed elsewhere\n/);
  assert.equal((await weft(...args, '--max-elsewhere', '2')).code, 1);
  assert.equal((await weft(...args, '--max-elsewhere', '3')).code, 0);
  const { err, code: unread } = await weft('simulate', '--log', join(folder, 'absent'), '-c', next);
  assert.equal(unread, 2);
  assert.match(err, /absent cannot be read \(ENOENT\)/);
});
