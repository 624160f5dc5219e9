/**
 * `weft explain` against a running sidecar, all of it processes: what it says by the effective configuration of the caller's
 * proxy is what a real request then meets, also after a change.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts } from '@weft/testkit';

const program = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const PATIENCE_MS = 90_000;
const folder = mkdtempSync(join(tmpdir(), 'weft-explain-'));
const config = join(folder, 'mesh');
const env = { ...process.env, WEFT_CONTROL_SOCKET: join(folder, 'control.sock'), TMPDIR: folder };
const started: { readonly child: ChildProcess; readonly output: () => string; readonly ended: Promise<void> }[] = [];

/** Answers with its name and what it saw. */
const SERVER = `require('node:http').createServer((request, response) => {
  const { host, 'x-set': set } = request.headers;
  response.end(JSON.stringify({ name: process.argv[2], url: request.url, host, set }));
}).listen(Number(process.argv[1]), '127.0.0.1', () => console.log('SERVES'))`;

/** Sends what it is told on its standard input by its own sidecar, one JSON line each, and says what came back. */
const CALLER = `require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { url, headers } = JSON.parse(line);
  const proxy = new URL(process.env.HTTP_PROXY ?? process.env.http_proxy);
  const asked = require('node:http').request({ host: proxy.hostname, port: proxy.port, path: url, headers: { host: new URL(url).host, ...headers } }, async (response) => {
    let text = '';
    for await (const chunk of response) text += chunk;
    console.log('ANSWER ' + JSON.stringify({ status: response.statusCode, refused: response.headers['weft-refused'], text }));
  });
  asked.end();
})`;

function routes(canary: string): string {
  const service = (name: string): string =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: default}\nspec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: http}]}\n---\n`;
  return `${['web', 'orders', 'next'].map(service).join('')}apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders, namespace: default}
spec:
  parentRefs: [{group: "", kind: Service, name: orders}]
  rules:
  - name: canary
    matches: [{headers: [{name: x-version, value: "2"}]}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: "yes"}]}}
    - {type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /new}}}
    backendRefs: [{name: ${canary}, port: 80}]
  - name: closed
    matches: [{path: {value: /closed}}]
    backendRefs: [{name: nowhere, port: 80}]
  - name: main
    backendRefs: [{name: orders, port: 80}]
`;
}

function start(args: readonly string[]): (typeof started)[number] {
  const child = spawn(process.execPath, [program, ...args], { env, cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => void (text += String(chunk)));
  const ended = new Promise<void>((resolve) => void child.once('close', () => resolve()));
  const running = { child, output: () => text, ended };
  started.push(running);
  return running;
}

async function until<T>(what: string, find: () => T | undefined | false): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    assert.ok(performance.now() < deadlineMs, `${what}\n${started.map((one) => one.output()).join('\n---\n')}`);
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
}

interface Explained {
  readonly way: { readonly kind: string; readonly code?: string };
  readonly record?: {
    readonly version: string;
    readonly winner?: { readonly rule: string };
    readonly backends: readonly { readonly backend: string; readonly share: number; readonly target: string }[];
  };
  readonly edits: readonly { readonly requestEdits: readonly { readonly name: string; readonly value: string }[] }[];
}

function explain(url: string, headers: readonly string[] = [], proxy = webProxy) {
  const fields = headers.flatMap((header) => ['-H', header]);
  const args = ['explain', '--proxy', proxy, '--from', 'web', 'GET', url, ...fields, '-o', 'json'];
  const run = spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8', timeout: PATIENCE_MS });
  return {
    code: run.status,
    said: run.stdout === '' ? undefined : (JSON.parse(run.stdout) as Explained),
    err: run.stderr,
  };
}

let caller: (typeof started)[number];
let asked = 0;
let webProxy = '';

async function call(url: string, headers: Readonly<Record<string, string>> = {}) {
  asked += 1;
  caller.child.stdin!.write(`${JSON.stringify({ url, headers })}\n`);
  const answers = await until(`an answer for ${url}`, () => {
    const all = [...caller.output().matchAll(/ANSWER (.*)/g)];
    return all.length >= asked && all;
  });
  return JSON.parse(answers[asked - 1]![1]!) as { status: number; refused?: string; text: string };
}

before(async () => {
  mkdirSync(config);
  writeFileSync(join(config, 'mesh.yaml'), routes('next'));
  const ports = ['--port', '0', '--metrics-port', '-1', '--dashboard-port', '-1'];
  const control = start(['control', '--config', config, '--state', join(folder, 'state'), ...ports]);
  await until('the control plane starts', () => control.output().includes('Control plane on'));
  for (const name of ['orders', 'next']) {
    const port = String((await freePorts(1))[0]);
    const serve = [process.execPath, '-e', SERVER, port, name];
    const server = start([
      'run',
      '--service',
      name,
      '--port',
      `http=${port}`,
      '--drain-deadline',
      '1s',
      '--',
      ...serve,
    ]);
    await until(`${name} serves`, () => server.output().includes('SERVES'));
  }
  caller = start(['run', '--service', 'web', '--', process.execPath, '-e', CALLER]);
  webProxy = await until(
    "the caller's sidecar is connected",
    () => /default\/(web-\w+) connected from/.exec(control.output())?.[1],
  );
  await until('orders and next are connected', () =>
    ['orders', 'next'].every((name) => new RegExp(`default/${name}-\\w+ connected from`).test(control.output())),
  );
});

after(async () => {
  for (const { child, ended } of started.toReversed()) {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(timer);
  }
  rmSync(folder, { recursive: true, force: true });
});

test('explain by a running proxy says what a request then meets', async () => {
  const first = await call('http://orders/items?page=2');
  assert.equal(first.status, 200, first.text);
  const main = explain('http://orders/items?page=2');
  assert.equal(main.code, 0, main.err);
  assert.match(main.err, /by what default\/web-\w+ holds/);
  assert.equal(main.said!.record!.winner!.rule, 'main');
  assert.deepEqual(
    main.said!.record!.backends.map(({ backend, share, target }) => [backend, share, target]),
    [['default/orders:80', 1, '/items?page=2']],
  );
  const seen = JSON.parse(first.text) as { name: string; url: string };
  assert.deepEqual([seen.name, seen.url], ['orders', '/items?page=2']);

  const canary = explain('http://orders/items', ['x-version: 2']);
  assert.equal(canary.said!.record!.winner!.rule, 'canary');
  const met = JSON.parse((await call('http://orders/items', { 'x-version': '2' })).text) as Record<string, string>;
  assert.equal(`default/${met['name']}:80`, canary.said!.record!.backends[0]!.backend);
  assert.equal(met['url'], canary.said!.record!.backends[0]!.target);
  assert.equal(met['set'], canary.said!.edits[0]!.requestEdits.find(({ name }) => name === 'x-set')!.value);
});

test('what would be refused is refused, with the code that was said, and exit code 1', async () => {
  const closed = explain('http://orders/closed');
  assert.equal(closed.code, 1);
  const answer = await call('http://orders/closed');
  assert.ok(answer.status >= 500, `${answer.status}`);
  const port = explain('http://orders:81/');
  assert.equal(port.code, 1);
  const unknown = await call('http://orders:81/');
  assert.equal(unknown.refused, port.said!.way.code);
});

test('after a change it says the new way as soon as the proxy has it', async () => {
  const before = explain('http://orders/items', ['x-version: 2']).said!.record!;
  writeFileSync(join(config, 'mesh.yaml'), routes('orders'));
  const now = await until('the proxy has the change', () => {
    // One that does not answer in time is asked again.
    const record = explain('http://orders/items', ['x-version: 2']).said?.record;
    return record?.version !== before.version && record;
  });
  assert.equal(now.backends[0]!.backend, 'default/orders:80');
  const met = JSON.parse((await call('http://orders/items', { 'x-version': '2' })).text) as { name: string };
  assert.equal(met.name, 'orders');
});

test('a proxy that is not there is said, with those that are', () => {
  const { code, err } = explain('http://orders/', [], 'nobody-1');
  assert.equal(code, 1);
  assert.match(err, /no proxy.* nobody-1.*default\/web-/);
});
