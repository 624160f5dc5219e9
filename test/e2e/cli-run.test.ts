/** Two programs of one's own in the mesh, as README says: a control plane, two sidecars, Python and curl, all processes. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts, isRunning } from '@weft/testkit';

const weftBin = fileURLToPath(new URL('../../packages/cli/bin/weft.cjs', import.meta.url));
/** Ends what hangs. */
const PATIENCE_MS = 60_000;
const missing = ['python3', 'curl'].filter((tool) => spawnSync(tool, ['--version']).status !== 0);
const skip = missing.length === 0 ? false : `needs ${missing.join(' and ')}; install them with the system's packages`;

const folder = mkdtempSync(join(tmpdir(), 'weft-e2e-'));
const socket = join(folder, 'control.sock');
const config = join(folder, 'mesh');
const env = { ...process.env, WEFT_CONTROL_SOCKET: socket, TMPDIR: folder };
const started: Running[] = [];
let ordersPort = 0;
let cartPort = 0;

interface Running {
  readonly child: ChildProcess;
  output(): string;
  readonly ended: Promise<number>;
}

function start(args: readonly string[], variables: NodeJS.ProcessEnv = env): Running {
  const child = spawn(process.execPath, [weftBin, ...args], {
    env: variables,
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: folder,
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => void (text += chunk.toString()));
  const ended = new Promise<number>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? (signal === null ? -1 : 128)));
  });
  const running = { child, output: () => text, ended };
  started.push(running);
  return running;
}

function weft(...args: readonly string[]): { code: number | null; out: string; err: string } {
  const run = spawnSync(process.execPath, [weftBin, ...args], { env, encoding: 'utf8', timeout: PATIENCE_MS });
  return { code: run.status, out: run.stdout, err: run.stderr };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!holds()) {
    assert.ok(performance.now() < deadlineMs, `${what}\n${started.map((one) => one.output()).join('\n---\n')}`);
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
}

function serve(service: string, port: number, ...more: readonly string[]): Running {
  const python = ['python3', '-u', '-m', 'http.server', String(port), '--bind', '127.0.0.1'];
  return start([
    'run',
    '--service',
    service,
    '--port',
    String(port),
    '--drain-deadline',
    '2s',
    ...more,
    '--',
    ...python,
  ]);
}

before(async () => {
  if (skip !== false) return;
  [ordersPort, cartPort] = (await freePorts(2)) as [number, number];
  const service = (name: string, port: number): string =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\n` +
    `spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: ${port}}]}\n`;
  mkdirSync(config);
  writeFileSync(join(config, 'shop.yaml'), `${service('orders', ordersPort)}---\n${service('cart', cartPort)}`);
  writeFileSync(join(folder, 'index.html'), 'from the mesh\n');
  start(['control', '--config', config, '--state', join(folder, 'state'), '--port', '0', '--metrics-port', '-1']);
  await until('the control plane listens', () => existsSync(socket));
});

after(async () => {
  for (const { child, ended } of started.toReversed()) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

test('two programs of one’s own talk through the mesh by name and by local address', { skip }, async () => {
  const orders = serve('orders', ordersPort);
  await until('orders listens', () => orders.output().includes('Serving HTTP'));
  const byName = weft('run', '--service', 'cart', '--', 'curl', '-sS', 'http://orders/index.html');
  assert.equal(byName.code, 0, byName.err);
  assert.equal(byName.out, 'from the mesh\n');
  const address = /http:\/\/orders\/ +(http:\/\/127\.0\.0\.1:\d+\/)/.exec(orders.output())?.[1];
  assert.ok(address !== undefined, orders.output());
  const byAddress = await fetch(`${address}index.html`);
  assert.equal(await byAddress.text(), 'from the mesh\n');
  // That the caller is gone and orders has acknowledged all of it is heard over two streams, in whatever order.
  await until('orders alone is in the mesh, and synced', () => {
    const { proxies } = JSON.parse(weft('status', '-o', 'json').out) as {
      proxies: { identity: string; state: string }[];
    };
    const seen = proxies.map(({ identity, state }) => `${identity} ${state}`).join();
    return seen === 'spiffe://cluster.local/ns/default/sa/orders Synced';
  });
  const endpoints = weft('get', 'config', 'orders');
  assert.match(endpoints.out, /^mesh:default .*in force$/m);
  orders.child.kill('SIGTERM');
  assert.equal(await orders.ended, 143);
  assert.deepEqual(JSON.parse(weft('get', 'objects', '-o', 'json').out).length, 2);
});

test(
  'a program started again with its state folder is reached again, with the certificate it had',
  { skip },
  async () => {
    const state = ['--state', join(folder, 'kept')];
    const first = serve('orders', ordersPort, ...state);
    await until('orders listens', () => first.output().includes('Serving HTTP'));
    const certificate = readFileSync(join(folder, 'kept', 'svid.pem'), 'utf8');
    first.child.kill('SIGTERM');
    await first.ended;
    const again = serve('orders', ordersPort, ...state);
    await until('orders listens again', () => again.output().includes('Serving HTTP'));
    await until('orders is connected', () => weft('status', '-o', 'json').out.includes('sa/orders'));
    const called = weft('run', '--service', 'cart', '--', 'curl', '-sS', 'http://orders/index.html');
    assert.equal(called.out, 'from the mesh\n', called.err);
    assert.equal(readFileSync(join(folder, 'kept', 'svid.pem'), 'utf8'), certificate);
    again.child.kill('SIGTERM');
    await again.ended;
  },
);

test('a program’s exit code is that of weft run, and nothing of the run is left behind', { skip }, () => {
  const run = weft('run', '--service', 'cart', '--', 'sh', '-c', 'exit 7');
  assert.equal(run.code, 7, run.err);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('weft-run-')),
    [],
  );
});

test('an unknown service, a taken port and an unknown proxy are one clear line each', { skip }, async () => {
  const unknown = weft('run', '--service', 'crat', '--', 'true');
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /^weft: no service crat in namespace default; known: cart, orders.*\n$/);
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const taken = weft('run', '--service', 'cart', '--port', String(port), '--', 'true');
  await new Promise((resolve) => void server.close(resolve));
  assert.equal(taken.code, 1);
  assert.match(taken.err, new RegExp(`^weft: port ${port} is taken; .*\\n$`));
  const proxy = weft('get', 'routes', 'nobody');
  assert.equal(proxy.code, 1);
  assert.match(proxy.err, /^weft: no proxy or workload nobody; .*\n$/);
});

test('a second control plane on the same socket or port says so and leaves the first alone', { skip }, async () => {
  const state = join(folder, 'second');
  const onSocket = weft('control', '--config', config, '--state', state, '--port', '0', '--metrics-port', '-1');
  assert.equal(onSocket.code, 1);
  assert.match(onSocket.err, /^weft: .*control\.sock is served by another process already/m);
  const address = (JSON.parse(weft('status', '-o', 'json').out) as { server: { address: string } }).server.address;
  const port = address.split(':')[1]!;
  const args = ['--config', config, '--state', state, '--admin-socket', join(folder, 'x.sock'), '--metrics-port', '-1'];
  const onPort = weft('control', ...args, '--port', port);
  assert.equal(onPort.code, 1);
  assert.match(onPort.err, new RegExp(`^weft: port ${port} on 127\\.0\\.0\\.1 is taken`, 'm'));
  assert.equal(weft('status').code, 0);
});

test('a join token lets a workload in once, and a used one is refused in one line', { skip }, () => {
  const created = weft('token', 'create', '--service', 'cart');
  assert.equal(created.code, 0, created.err);
  const token = created.out.trim();
  const variables = { ...env, WEFT_TOKEN: token };
  const join1 = spawnSync(process.execPath, [weftBin, 'run', '--service', 'cart', '--', 'true'], { env: variables });
  assert.equal(join1.status, 0, join1.stderr.toString());
  const again = spawnSync(process.execPath, [weftBin, 'run', '--service', 'cart', '--', 'true'], { env: variables });
  assert.equal(again.status, 1);
  assert.match(again.stderr.toString(), /token/);
  assert.ok(!again.stderr.toString().includes(token), 'a token is never printed');
});

test('killed without a chance to say goodbye, weft run leaves neither sidecar nor program', { skip }, async () => {
  const cart = serve('cart', cartPort);
  await until('cart listens', () => cart.output().includes('Serving HTTP'));
  const children = readFileSync(`/proc/${cart.child.pid}/task/${cart.child.pid}/children`, 'utf8').trim().split(/\s+/);
  assert.equal(children.length, 2, 'a sidecar and a program');
  cart.child.kill('SIGKILL');
  await until('both are gone', () => children.every((pid) => !isRunning(Number(pid))));
});

test('a program that listens on all addresses is warned of', { skip }, async () => {
  const [port] = (await freePorts(1)) as [number];
  const python = ['python3', '-u', '-m', 'http.server', String(port), '--bind', '0.0.0.0'];
  const run = start(['run', '--service', 'cart', '--port', String(port), '--', ...python]);
  await until('the warning is there', () => run.output().includes(`listens on port ${port} of all addresses`));
  run.child.kill('SIGTERM');
  await run.ended;
});
