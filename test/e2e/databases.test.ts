/**
 * Databases and mail through two sidecars with mutual TLS between them: the real servers and their own clients. Every server
 * runs beside a sidecar of `weft run`; its clients come in at the local address that the sidecar of another service prints.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { freePorts } from '@weft/testkit';

const weftBin = fileURLToPath(new URL('../../packages/cli/bin/weft.cjs', import.meta.url));
/** Ends what hangs. */
const PATIENCE_MS = 60_000;
/** Less than the ten seconds for which a sidecar waits for first bytes where it must know what they are. */
const UNHELD_MS = 8_000;

const folder = mkdtempSync(join(tmpdir(), 'weft-databases-'));
const env = { ...process.env, WEFT_CONTROL_SOCKET: join(folder, 'control.sock'), TMPDIR: folder };
const started: { readonly child: ChildProcess; readonly output: () => string }[] = [];
const servers: Server[] = [];

/** The program, wherever the system keeps it; undefined when it is not installed. */
function find(...names: readonly string[]): string | undefined {
  for (const name of names) {
    const found = spawnSync('sh', ['-c', `command -v ${name} || ls -1 ${name} 2>/dev/null | tail -1`], {
      encoding: 'utf8',
    }).stdout.trim();
    if (found !== '') return found;
  }
  return undefined;
}

const programs = {
  redisServer: find('redis-server', 'valkey-server'),
  redisBenchmark: find('redis-benchmark', 'valkey-benchmark'),
  initdb: find('initdb', '/usr/lib/postgresql/*/bin/initdb'),
  postgres: find('postgres', '/usr/lib/postgresql/*/bin/postgres'),
  psql: find('psql'),
  pgbench: find('pgbench'),
  mariadbd: find('mariadbd', 'mysqld', '/usr/sbin/mariadbd'),
  mariadbInstall: find('mariadb-install-db', 'mysql_install_db'),
  mariadb: find('mariadb', 'mysql'),
  openssl: find('openssl'),
  curl: find('curl'),
};

const skipWithout = (names: readonly (keyof typeof programs)[], packages: string): string | false =>
  names.every((name) => programs[name] !== undefined) ? false : `needs ${packages}: apt-get install ${packages}`;

/** Database servers refuse to run as root; they run as an unprivileged user when this test is root's. */
const asNobody: SpawnOptions = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

function start(command: string, args: readonly string[], options: SpawnOptions = {}): () => string {
  const child = spawn(command, args, { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  started.push({ child, output: () => text });
  return () => text;
}

const weft = (...args: readonly string[]): (() => string) => start(process.execPath, [weftBin, ...args]);

/** Runs a client to its end and gives what it said. Not in this thread: servers of this test may have to answer it. */
async function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const child = spawn(command, args, { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const code = await new Promise<number | null>((resolve) => void child.once('close', resolve));
  clearTimeout(timer);
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${text}`);
  return text;
}

async function until<T>(what: string, find: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    assert.ok(performance.now() < deadlineMs, `${what}\n${started.map(({ output }) => output()).join('\n---\n')}`);
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
}

async function listen(server: Server, port: number): Promise<void> {
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** A folder that an unprivileged server may write to. */
function dataFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  chmodSync(folder, 0o755);
  chmodSync(path, 0o777);
  if (asNobody.uid !== undefined) spawnSync('chown', [`${asNobody.uid}:${asNobody.gid}`, path]);
  chmodSync(path, 0o700);
  return path;
}

const ports = { redis: 0, postgres: 0, mariadb: 0, mail: 0, untold: 0, site: 0 };
let client: () => string = () => '';

/** The address that the client's sidecar prints for a service. */
async function address(service: string): Promise<number> {
  const pattern = new RegExp(`(?:tcp|http)://${service}(?::\\d+)?/? +(?:http://)?127\\.0\\.0\\.1:(\\d+)`);
  return Number(await until(`an address for ${service}`, () => pattern.exec(client())?.[1]));
}

/** A sidecar in front of a port that a server is to listen on; resolves when callers may be sent there. */
async function enterMesh(service: string, port: number): Promise<void> {
  const output = weft('run', '--service', service, '--port', String(port), '--', 'sleep', '600');
  await until(`${service} is in the mesh`, () => output().includes(`${service} runs as`));
}

/** 220 before the client has said a word, then the few words of RFC 5321 that a delivery needs. */
function mailServer(received: string[]): Server {
  return createServer((socket: Socket) => {
    socket.on('error', () => {});
    socket.write('220 mail.example ESMTP\r\n');
    let text = '';
    let body = false;
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (;;) {
        const end = body ? text.indexOf('\r\n.\r\n') : text.indexOf('\r\n');
        if (end < 0) return;
        const line = text.slice(0, end);
        text = text.slice(end + (body ? 5 : 2));
        if (body) received.push(line);
        if (!body && line === 'DATA') socket.write('354 go on\r\n');
        else if (line === 'QUIT') socket.end('221 bye\r\n');
        else socket.write('250 ok\r\n');
        body = !body && line === 'DATA';
      }
    });
  });
}

const mailbox: string[] = [];

before(async () => {
  const names = Object.keys(ports) as (keyof typeof ports)[];
  const free = await freePorts(names.length);
  for (const [index, name] of names.entries()) ports[name] = free[index]!;
  const service = (name: string, port: number, declared: string): string =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\n` +
    `spec: {selector: {app: ${name}}, ports: [{${declared}, targetPort: ${port}}]}\n`;
  mkdirSync(join(folder, 'mesh'));
  writeFileSync(
    join(folder, 'mesh', 'databases.yaml'),
    [
      service('cache', ports.redis, 'name: redis, port: 6379'),
      service('db', ports.postgres, 'port: 5432'),
      service('shop-db', ports.mariadb, 'port: 9306, appProtocol: mysql'),
      service('mail', ports.mail, 'name: smtp, port: 2525'),
      service('untold', ports.untold, 'name: any, port: 2526'),
      service('site', ports.site, 'name: https, port: 443'),
      'apiVersion: v1\nkind: Service\nmetadata: {name: client}\nspec: {selector: {app: client}}\n',
      'apiVersion: gateway.networking.k8s.io/v1\nkind: TLSRoute\nmetadata: {name: site}\nspec:\n' +
        '  parentRefs: [{group: "", kind: Service, name: site}]\n  hostnames: [site.example]\n' +
        '  rules: [{backendRefs: [{name: site, port: 443}]}]\n',
    ].join('---\n'),
  );
  const state = join(folder, 'state');
  weft('control', '--config', join(folder, 'mesh'), '--state', state, '--port', '0', '--metrics-port', '-1');
  await until('the control plane listens', () => existsSync(join(folder, 'control.sock')));
  client = weft('run', '--service', 'client', '--', 'sleep', '600');
  await until('the client is in the mesh', () => client().includes('client runs as'));
});

after(async () => {
  for (const { child } of started.toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise((resolve) => void child.once('close', resolve));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 8_000);
    await ended;
    clearTimeout(timer);
  }
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

const redis = skipWithout(['redisServer', 'redisBenchmark'], 'redis-server');
test('redis-benchmark runs against Redis through the mesh', { skip: redis }, async () => {
  await enterMesh('cache', ports.redis);
  const data = dataFolder('redis');
  const args = ['--port', String(ports.redis), '--bind', '127.0.0.1', '--save', '', '--dir', data];
  start(programs.redisServer!, args, asNobody);
  await until('Redis listens', () => accepts(ports.redis));
  const port = await address('cache');
  const options = [
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    '-n',
    '5000',
    '-c',
    '20',
    '-t',
    'set,get,lpush',
    '-d',
    '2000',
  ];
  const report = await run(programs.redisBenchmark!, [...options, '--csv']);
  for (const name of ['SET', 'GET', 'LPUSH']) assert.match(report, new RegExp(`"${name}","[0-9.]+"`));
  const pipelined = await run(programs.redisBenchmark!, [...options, '-P', '16', '--csv']);
  assert.match(pipelined, /"GET","[0-9.]+"/);
});

const postgres = skipWithout(['initdb', 'postgres', 'psql', 'pgbench'], 'postgresql');
test('psql and pgbench work against PostgreSQL through the mesh', { skip: postgres }, async () => {
  await enterMesh('db', ports.postgres);
  const data = dataFolder('postgres');
  await run(programs.initdb!, ['-D', data, '-A', 'trust', '-U', 'weft', '--no-sync'], asNobody);
  const args = ['-D', data, '-p', String(ports.postgres), '-k', data, '-c', 'listen_addresses=127.0.0.1', '-F'];
  start(programs.postgres!, args, asNobody);
  await until('PostgreSQL listens', () => accepts(ports.postgres));
  const port = await address('db');
  const place = ['-h', '127.0.0.1', '-p', String(port), '-U', 'weft'];
  const text = await until('PostgreSQL answers', () =>
    run(programs.psql!, [...place, '-At', '-c', 'select 6*7', 'postgres']).catch(() => undefined),
  );
  assert.equal(text.trim(), '42');
  // A large result in one piece, and one copied in.
  const sum = 'select length(string_agg(repeat(md5(i::text), 32), $$$$)) from generate_series(1, 20000) i';
  assert.equal((await run(programs.psql!, [...place, '-At', '-c', sum, 'postgres'])).trim(), '20480000');
  await run(programs.pgbench!, [...place, '-i', '-q', '-s', '1', 'postgres']);
  const bench = await run(programs.pgbench!, [...place, '-c', '8', '-j', '2', '-t', '100', 'postgres']);
  assert.match(bench, /number of transactions actually processed: 800\/800/);
  assert.match(bench, /number of failed transactions: 0 /);
  // Each transaction on a connection of its own: handshakes, balancing and ends.
  const fresh = await run(programs.pgbench!, [...place, '-c', '4', '-t', '10', '-C', '-S', 'postgres']);
  assert.match(fresh, /number of transactions actually processed: 40\/40/);
});

const mariadb = skipWithout(['mariadbd', 'mariadbInstall', 'mariadb'], 'mariadb-server');
test('a MariaDB client, whose server speaks first, works through the mesh', { skip: mariadb }, async () => {
  await enterMesh('shop-db', ports.mariadb);
  const data = dataFolder('mariadb');
  const common = ['--no-defaults', `--datadir=${data}`];
  const install = ['--auth-root-authentication-method=normal', '--skip-test-db'];
  const options = { ...asNobody, env: { ...env, TMPDIR: data } };
  await run(programs.mariadbInstall!, [...common, ...install], options);
  const own = [`--port=${ports.mariadb}`, '--bind-address=127.0.0.1', `--socket=${join(data, 'my.sock')}`];
  start(programs.mariadbd!, [...common, ...own, `--pid-file=${join(data, 'pid')}`, '--skip-grant-tables'], options);
  await until('MariaDB listens', () => accepts(ports.mariadb));
  const port = await address('shop-db');
  const place = ['--no-defaults', '--skip-ssl', '-h', '127.0.0.1', '-P', String(port), '-u', 'root', '-N', '-B'];
  const startMs = performance.now();
  const text = await run(programs.mariadb!, [...place, '-e', "select 6*7, length(repeat('x', 5000000))"]);
  assert.equal(text.trim(), '42\t5000000');
  assert.ok(performance.now() - startMs < UNHELD_MS, 'nobody waits for bytes that do not come');
});

/** Sends one mail, waiting for each answer. */
async function sendMail(port: number, subject: string): Promise<number> {
  const startMs = performance.now();
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const answer = async (code: string): Promise<void> => {
    await until(`${code} of the mail server`, () => text.includes('\r\n'));
    assert.ok(text.startsWith(code), text);
    text = '';
  };
  await answer('220');
  const greetedMs = performance.now() - startMs;
  for (const word of ['EHLO client', 'MAIL FROM:<a@example.com>', 'RCPT TO:<b@example.com>']) {
    socket.write(`${word}\r\n`);
    await answer('250');
  }
  socket.write('DATA\r\n');
  await answer('354');
  socket.write(`Subject: ${subject}\r\n\r\nhello\r\n.\r\n`);
  await answer('250');
  socket.write('QUIT\r\n');
  await answer('221');
  socket.destroy();
  return greetedMs;
}

test('mail is delivered, declared or not, and what is not declared is learned', async () => {
  await enterMesh('mail', ports.mail);
  await enterMesh('untold', ports.untold);
  for (const port of [ports.mail, ports.untold]) await listen(mailServer(mailbox), port);
  await sendMail(await address('mail'), 'declared');
  const untold = await address('untold');
  assert.match(client(), /http:\/\/untold:2526\//, 'nothing is known of it yet');
  const greetedMs = await sendMail(untold, 'raced');
  assert.ok(greetedMs < UNHELD_MS, `the greeting took ${greetedMs} ms`);
  assert.deepEqual(mailbox.map((each) => /Subject: (\w+)/.exec(each)?.[1]).sort(), ['declared', 'raced']);
  const late = weft('run', '--service', 'client', '--', 'sleep', '600');
  await until('the mesh has learned it', () => late().includes('client runs as'));
  assert.match(late(), /tcp:\/\/untold:2526 /, 'a sidecar that comes later is told');
});

const tls = skipWithout(['openssl', 'curl'], 'openssl curl');
test('TLS of the applications’ own is routed by server name and not opened', { skip: tls }, async () => {
  await enterMesh('site', ports.site);
  const key = join(folder, 'site.key');
  const certificate = join(folder, 'site.pem');
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=site.example', '-addext', 'subjectAltName=DNS:site.example'];
  await run(programs.openssl!, [...request, ...names, '-keyout', key, '-out', certificate]);
  const accept = `127.0.0.1:${ports.site}`;
  start(programs.openssl!, ['s_server', '-accept', accept, '-cert', certificate, '-key', key, '-www', '-quiet']);
  await until('the site listens', () => accepts(ports.site));
  const port = await address('site');
  const at = (host: string): string[] => ['--connect-to', `${host}:443:127.0.0.1:${port}`, `https://${host}/`];
  const page = await until('the site answers', () =>
    run(programs.curl!, ['-sS', '--noproxy', '*', '--cacert', certificate, ...at('site.example')]).catch(
      () => undefined,
    ),
  );
  assert.match(page, /s_server/, 'the certificate that curl has checked is the site’s own');
  const other = spawnSync(programs.curl!, ['-sS', '-k', '--noproxy', '*', ...at('other.example')], {
    encoding: 'utf8',
  });
  assert.notEqual(other.status, 0, 'no route has this server name');
  const shown = await run(programs.openssl!, [
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    '-servername',
    'site.example',
    '-brief',
  ]);
  assert.match(shown, /CN ?= ?site\.example/);
});
