import 'reflect-metadata';
import assert from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, createServer } from 'node:http';
import { type Http2ServerRequest, type Http2ServerResponse, createSecureServer } from 'node:http2';
import { type AddressInfo, type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { BasicConstraintsExtension, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { FakeClock, eventually } from '@weft/testkit';
import { WebSocketServer } from 'ws';
import type { ClusterAccess } from './cluster-access.ts';
import { KubeClient } from './kube-client.ts';
import { kubeconfigAccess } from './kubeconfig.ts';
import { forwardPort } from './port-forward.ts';

const WAIT_MS = 5_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** An API server over TLS whose name is `api.test`, and the PEM it is believed by. */
async function apiServer(t: TestContext) {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=api.test',
    keys,
    signingAlgorithm: ALGORITHM,
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 600_000),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new SubjectAlternativeNameExtension([{ type: 'dns', value: 'api.test' }]),
    ],
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const pem = certificate.toString('pem');
  const seen: { readonly version: string; readonly url: string; readonly headers: IncomingMessage['headers'] }[] = [];
  const note = ({ httpVersion, url = '', headers }: IncomingMessage | Http2ServerRequest): void => {
    seen.push({ version: httpVersion, url, headers });
  };
  const server = createSecureServer(
    { cert: pem, key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`, allowHTTP1: true },
    (request: Http2ServerRequest, response: Http2ServerResponse) => {
      note(request);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(request.url.includes('watch') ? '{"type":"ADDED"}\n' : '{"kind":"Pod"}');
      if (!request.url.includes('watch')) response.end();
    },
  );
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v4.channel.k8s.io' });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    note(request);
    sockets.handleUpgrade(request, socket, head, (one) => {
      for (const channel of [0, 1]) one.send(Buffer.from([channel, 0, 0]));
      one.on('message', (message: Buffer) => one.send(message));
    });
  });
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => open.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    for (const one of sockets.clients) one.terminate();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, pem, seen };
}

/** An HTTP proxy that knows CONNECT and nothing else. It leads `api.test` to loopback, as nobody else would. */
async function connectProxy(t: TestContext, allows: (authorization: string) => boolean = () => true) {
  const targets: string[] = [];
  const open = new Set<Duplex>();
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    open.add(client);
    client.on('error', () => undefined);
    if (!allows(request.headers['proxy-authorization'] ?? '')) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    targets.push(request.url ?? '');
    const upstream = connect(Number((request.url ?? '').split(':')[1]), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    open.add(upstream);
    upstream.on('error', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, targets };
}

interface Written {
  readonly cluster: Readonly<Record<string, unknown>>;
  readonly user?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

function read(t: TestContext, { cluster, user = { token: 'secret' }, env = {} }: Written) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-kubeconfig-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const config = {
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(join(folder, 'config'), JSON.stringify(config));
  return kubeconfigAccess(join(folder, 'config'), new FakeClock(), '', env);
}

function accessOf(t: TestContext, written: Written): ClusterAccess {
  const got = read(t, written);
  assert.ok(got.ok, got.ok ? '' : got.error);
  return got.value;
}

test('proxy-url leads requests, watches and forwarded ports through the proxy, with TLS to the server within', async (t) => {
  const api = await apiServer(t);
  const proxy = await connectProxy(t, (authorization) => authorization === `Basic ${btoa('me:p@ss')}`);
  const access = accessOf(t, {
    cluster: {
      server: `https://api.test:${api.port}`,
      'proxy-url': `http://me:p%40ss@127.0.0.1:${proxy.port}`,
      'certificate-authority-data': Buffer.from(api.pem).toString('base64'),
    },
  });
  const client = new KubeClient(access);
  t.after(() => client.close());
  const got = await client.get('/api/v1/pods');
  assert.deepEqual(got, { ok: true, value: { kind: 'Pod' } });
  const watch = await client.watch('/api/v1/pods?watch=true');
  assert.ok(watch.ok);
  for await (const event of watch.value.events) {
    assert.deepEqual(event, { type: 'ADDED' });
    break;
  }
  assert.ok(api.seen.every(({ version, headers }) => version === '2.0' && headers.authorization === 'Bearer secret'));
  // One connection for all of it, as without a proxy.
  assert.deepEqual(proxy.targets, [`api.test:${api.port}`]);

  const forwarded = await forwardPort(access, { namespace: 'shop', pod: 'web-1', port: 80 });
  assert.ok(forwarded.ok, forwarded.ok ? '' : forwarded.error.message);
  const arrived: Buffer[] = [];
  forwarded.value.on('data', (part: Buffer) => arrived.push(part));
  forwarded.value.write('hello');
  await eventually(() => Buffer.concat(arrived).toString() === 'hello', WAIT_MS);
  forwarded.value.destroy();
  assert.deepEqual(proxy.targets, [`api.test:${api.port}`, `api.test:${api.port}`]);
});

test('tls-server-name is whom the server is asked to be, through a proxy and without one', async (t) => {
  const api = await apiServer(t);
  const proxy = await connectProxy(t);
  const cluster = {
    server: `https://127.0.0.1:${api.port}`,
    'tls-server-name': 'api.test',
    'certificate-authority-data': Buffer.from(api.pem).toString('base64'),
  };
  for (const more of [{}, { 'proxy-url': `http://127.0.0.1:${proxy.port}` }]) {
    const access = accessOf(t, { cluster: { ...cluster, ...more } });
    const client = new KubeClient(access);
    assert.deepEqual(await client.get('/api/v1/pods'), { ok: true, value: { kind: 'Pod' } });
    await client.close();
    const forwarded = await forwardPort(access, { namespace: 'shop', pod: 'web-1', port: 80 });
    assert.ok(forwarded.ok, forwarded.ok ? '' : forwarded.error.message);
    forwarded.value.destroy();
    const stranger = { ...access, serverName: 'other.test' };
    const refused = new KubeClient(stranger);
    const got = await refused.get('/api/v1/pods');
    await refused.close();
    assert.match(got.ok ? '' : got.error.message, /altname/i);
    const denied = await forwardPort(stranger, { namespace: 'shop', pod: 'web-1', port: 80 });
    assert.match(denied.ok ? '' : denied.error.message, /altname/i);
  }
});

test('a proxy that refuses, and one that is not there, are faults of one line', async (t) => {
  const proxy = await connectProxy(t, () => false);
  const cluster = { server: 'https://api.test:6443', 'proxy-url': `http://127.0.0.1:${proxy.port}` };
  for (const [url, expected] of [
    [cluster['proxy-url'], /407/],
    ['http://127.0.0.1:1', /ECONNREFUSED/],
  ] as const) {
    const access = accessOf(t, { cluster: { ...cluster, 'proxy-url': url } });
    const client = new KubeClient(access);
    const got = await client.get('/api/v1/pods');
    await client.close();
    assert.match(got.ok ? '' : got.error.message, expected);
    const forwarded = await forwardPort(access, { namespace: 'shop', pod: 'web-1', port: 80 });
    assert.match(forwarded.ok ? '' : forwarded.error.message, expected);
  }
});

test('a proxy is told the server as it is written in addresses: IPv6 in brackets, the port always', async (t) => {
  const proxy = await connectProxy(t, () => false);
  for (const [server, target] of [
    ['https://[fd00::1]:6443', '[fd00::1]:6443'],
    ['https://api.test', 'api.test:443'],
    ['http://api.test', 'api.test:80'],
  ] as const) {
    const access = accessOf(t, { cluster: { server, 'proxy-url': `http://127.0.0.1:${proxy.port}` } });
    const client = new KubeClient(access);
    const got = await client.get('/api/v1/pods');
    await client.close();
    const forwarded = await forwardPort(access, { namespace: 'shop', pod: 'web-1', port: 80 });
    for (const asked of [got, forwarded]) {
      assert.ok(asked.ok ? false : asked.error.message.includes(`refuses the way to ${target} with 407`), target);
    }
  }
});

test('without proxy-url the environment says which proxy, and for which servers there is none', (t) => {
  const env = { HTTPS_PROXY: 'proxy.test:3128' };
  const chosen = (server: string, more: Readonly<Record<string, string>> = {}): string | undefined =>
    accessOf(t, { cluster: { server }, env: { ...env, ...more } }).proxy;
  assert.equal(chosen('https://api.test:6443'), 'http://proxy.test:3128/');
  for (const exempt of ['*', 'api.test', '.test', '*.test', 'test', 'other, api.test:6443']) {
    assert.equal(chosen('https://api.test:6443', { NO_PROXY: exempt }), undefined, exempt);
  }
  for (const other of ['pi.test', 'api.test:443', '.api.test', 'example.test', '10.0.0.0/8']) {
    assert.equal(chosen('https://api.test:6443', { NO_PROXY: other }), 'http://proxy.test:3128/', other);
  }
  assert.equal(chosen('https://10.1.2.3:6443', { NO_PROXY: '10.0.0.0/8' }), undefined);
  assert.equal(chosen('https://10.1.2.3:6443', { no_proxy: '10.1.2.3' }), undefined);
  assert.equal(chosen('https://[fd00::1]:6443', { NO_PROXY: 'fd00::/8' }), undefined);
  assert.equal(chosen('https://11.1.2.3:6443', { NO_PROXY: '10.0.0.0/8,10.1.2.3' }), 'http://proxy.test:3128/');
  // What is on this machine is never asked for elsewhere.
  for (const here of ['https://127.0.0.1:6443', 'https://localhost:6443', 'https://[::1]:6443']) {
    assert.equal(chosen(here), undefined, here);
  }
  const said = { server: 'https://127.0.0.1:6443', 'proxy-url': 'http://other.test' };
  assert.equal(accessOf(t, { cluster: said, env }).proxy, 'http://other.test/');
});

test('whom the user acts as goes with every request', async (t) => {
  const api = await apiServer(t);
  const access = accessOf(t, {
    cluster: {
      server: `https://127.0.0.1:${api.port}`,
      'tls-server-name': 'api.test',
      'certificate-authority-data': Buffer.from(api.pem).toString('base64'),
    },
    user: { token: 't', as: 'jane', 'as-groups': ['ops', 'dev'], 'as-uid': '7', 'as-user-extra': { Scope: ['a'] } },
  });
  const client = new KubeClient(access);
  t.after(() => client.close());
  assert.ok((await client.get('/api')).ok);
  const forwarded = await forwardPort(access, { namespace: 'shop', pod: 'web-1', port: 80 });
  assert.ok(forwarded.ok);
  forwarded.value.destroy();
  assert.equal(api.seen.length, 2);
  for (const { headers } of api.seen) {
    assert.equal(headers['impersonate-user'], 'jane');
    assert.equal(headers['impersonate-uid'], '7');
    assert.deepEqual(String(headers['impersonate-group']).split(/, ?/), ['ops', 'dev']);
    assert.equal(headers['impersonate-extra-scope'], 'a');
  }
});

test('what kubectl would heed and this does not is said, and nothing is asked without it', (t) => {
  const server = 'https://api.test';
  const cases: readonly (readonly [Written, RegExp])[] = [
    [{ cluster: { server, 'proxy-url': 'socks5://127.0.0.1:1080' } }, /socks5 proxy.*http and https/],
    [{ cluster: { server, 'proxy-url': 'nonsense' } }, /"nonsense" is no address/],
    [
      { cluster: { server, 'proxy-url': 'http://me:50%@127.0.0.1:1' } },
      /secret of the proxy has a % .*write it as %25/,
    ],
    [{ cluster: { server }, env: { HTTPS_PROXY: 'socks5://p:1' } }, /the environment names a socks5 proxy/],
    [{ cluster: { server }, user: { username: 'a', password: 'b' } }, /username and password/],
    [{ cluster: { server }, user: { 'auth-provider': { name: 'gcp' } } }, /auth-provider/],
    [
      { cluster: { server, 'insecure-skip-tls-verify': true, 'certificate-authority-data': 'AA==' } },
      /exclude each other/,
    ],
    [{ cluster: { server: 'not an address' } }, /no address/],
  ];
  for (const [written, expected] of cases) {
    const got = read(t, written);
    assert.match(got.ok ? '' : got.error, expected);
  }
});
