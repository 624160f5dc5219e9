/**
 * Sidecars and a control plane as processes of their own, between programs that know nothing of Weft: curl and Python
 * call, nginx and Python answer. Then each process is killed with SIGKILL, and what is left goes on.
 */
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { weftProgram } from '@weft/cli';
import { eventually, freePorts } from '@weft/testkit';

const WAIT_MS = 30_000;
const lacking = ['curl', 'nginx', 'python3'].filter(
  (tool) => spawnSync(tool, [tool === 'nginx' ? '-v' : '--version'], { stdio: 'ignore' }).status !== 0,
);

interface Ready {
  readonly outboundPort: number;
  readonly inboundPorts: Readonly<Record<string, number>>;
}

const service = (name: string): string => `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
`;

const PYTHON_SERVER = `
import http.server, sys
class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def read_body(self):
        if self.headers.get('Transfer-Encoding', '').lower() == 'chunked':
            body = b''
            while True:
                size = int(self.rfile.readline().strip(), 16)
                piece = self.rfile.read(size)
                self.rfile.readline()
                if size == 0: return body
                body += piece
        return self.rfile.read(int(self.headers.get('Content-Length', 0)))
    def do_PUT(self):
        body = self.read_body()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.send_header('X-Caller', self.headers.get('weft-client-identity', 'none'))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_PUT
    do_GET = do_PUT
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Echo).serve_forever()
`;

describe('a mesh of processes', { skip: lacking.length === 0 ? false : `needs ${lacking.join(', ')}` }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-e2e-'));
  const config = join(folder, 'config');
  const children = new Map<string, ChildProcess>();
  const said = new Map<string, string>();
  const file = randomBytes(8 << 20);
  let nginxPort = 0;
  let pythonPort = 0;
  let controlPort = 0;
  let outbound = 0;

  const start = (name: string, command: string, args: readonly string[]): ChildProcess => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.set(name, child);
    for (const stream of [child.stdout, child.stderr]) {
      stream!.on(
        'data',
        (chunk: Buffer) => void said.set(name, `${said.get(name) ?? ''}${chunk.toString()}`.slice(-4_000)),
      );
    }
    return child;
  };
  const kill = async (name: string): Promise<void> => {
    const child = children.get(name)!;
    children.delete(name);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const weft = async <T>(name: string, args: readonly string[]): Promise<T> => {
    const readyFile = join(folder, `${name}.ready`);
    rmSync(readyFile, { force: true });
    const child = start(name, process.execPath, [weftProgram, ...args, '--ready-file', readyFile]);
    return eventually(() => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${said.get(name)}`);
      return JSON.parse(readFileSync(readyFile, 'utf8')) as T;
    }, WAIT_MS);
  };
  const run = (command: string, args: readonly string[], input?: Buffer): Promise<{ code: number; out: Buffer }> =>
    new Promise((resolve) => {
      const child = execFile(
        command,
        args,
        {
          encoding: 'buffer',
          maxBuffer: 1 << 26,
          timeout: WAIT_MS,
          env: { ...process.env, http_proxy: `http://127.0.0.1:${outbound}`, no_proxy: '' },
        },
        (error, stdout) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), out: stdout }),
      );
      child.stdin!.on('error', () => {});
      child.stdin!.end(input);
    });
  const curl = (args: readonly string[], input?: Buffer): Promise<{ code: number; out: Buffer }> =>
    run('curl', ['-sS', '--max-time', '20', '-x', `http://127.0.0.1:${outbound}`, ...args], input);
  const statusOf = async (url: string): Promise<string> =>
    (await curl(['-o', '/dev/null', '-w', '%{http_code}', url])).out.toString();

  const startControl = (): Promise<unknown> =>
    weft('control', [
      'control',
      '--config',
      config,
      '--state',
      join(folder, 'control'),
      '--port',
      String(controlPort),
      '--admin-socket',
      join(folder, 'control.sock'),
      '--metrics-port=-1',
    ]);
  const startSidecar = async (name: string, port: number, token: string): Promise<Ready> =>
    weft<Ready>(name, [
      'proxy',
      '--namespace',
      'shop',
      '--service',
      name,
      '--instance',
      `${name}-1`,
      '--label',
      `app=${name}`,
      '--control',
      `127.0.0.1:${controlPort}`,
      '--state',
      join(folder, name),
      '--stats-port=-1',
      '--metrics-port=-1',
      `--outbound-port=${port === 0 ? outbound : -1}`,
      ...(port === 0 ? [] : ['--port', `http=${port}`]),
      ...(token === '' ? [] : ['--token', token]),
    ]);
  const tokenFor = async (name: string): Promise<string> => {
    const { code, out } = await run(process.execPath, [
      weftProgram,
      'token',
      'create',
      '--namespace',
      'shop',
      '--service',
      name,
      '-o',
      'json',
      '--admin-socket',
      join(folder, 'control.sock'),
    ]);
    assert.equal(code, 0, out.toString());
    return (JSON.parse(out.toString()) as { token: string }).token;
  };
  const startNginx = (): void => void start('nginx', 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')]);
  const listening = (port: number): Promise<void> =>
    eventually(async () => {
      const socket = connect({ port, host: '127.0.0.1' });
      await once(socket, 'connect');
      socket.destroy();
    }, WAIT_MS);

  before(async () => {
    [nginxPort, pythonPort, controlPort, outbound] = (await freePorts(4)) as [number, number, number, number];
    mkdirSync(config);
    mkdirSync(join(folder, 'www'));
    writeFileSync(join(folder, 'www', 'file'), file);
    writeFileSync(join(config, 'services.yaml'), ['web', 'files', 'echo'].map(service).join('---\n'));
    writeFileSync(join(folder, 'echo.py'), PYTHON_SERVER);
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log; user root;
events { worker_connections 256; }
http {
  access_log off; keepalive_timeout 1s;
  client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2; fastcgi_temp_path ${folder}/t3;
  uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5;
  server { listen 127.0.0.1:${nginxPort}; root ${folder}/www; location = /who { return 200 "$http_weft_client_identity"; } }
}
`,
    );
    startNginx();
    start('python', 'python3', [join(folder, 'echo.py'), String(pythonPort)]);
    await Promise.all([listening(nginxPort), listening(pythonPort)]);
    await startControl();
    await Promise.all([
      startSidecar('files', nginxPort, await tokenFor('files')),
      startSidecar('echo', pythonPort, await tokenFor('echo')),
      startSidecar('web', 0, await tokenFor('web')),
    ]);
    await eventually(async () => (await statusOf('http://files/who')) === '200', WAIT_MS);
    await eventually(async () => (await statusOf('http://echo/')) === '200', WAIT_MS);
  });
  after(async () => {
    for (const name of children.keys()) await kill(name);
    rmSync(folder, { recursive: true, force: true });
  });

  it('serves curl from nginx: whole files, ranges, HEAD, HTTP/1.0, one connection for many', async () => {
    assert.equal((await curl(['http://files/who'])).out.toString(), 'spiffe://cluster.local/ns/shop/sa/web');
    const { out } = await curl(['http://files/file']);
    assert.equal(createHash('sha256').update(out).digest('hex'), createHash('sha256').update(file).digest('hex'));
    const range = await curl(['-r', '1000-1999', 'http://files/file']);
    assert.ok(range.out.equals(file.subarray(1000, 2000)));
    const head = (await curl(['-I', 'http://files/file'])).out.toString();
    assert.match(head, new RegExp(`content-length: ${file.length}\\r\\n`, 'i'));
    assert.ok((await curl(['-0', 'http://files/file'])).out.equals(file));
    const urls = Array.from({ length: 5 }, () => ['-o', '/dev/null', 'http://files/who']).flat();
    const connects = (await curl([...urls, '-w', '%{num_connects} '])).out.toString();
    assert.equal(connects.trim(), '1 0 0 0 0');
    assert.equal((await curl(['-o', '/dev/null', '-w', '%{http_code}', 'http://files/none'])).out.toString(), '404');
  });

  it('carries uploads of curl to Python: Expect, chunked, large', async () => {
    const body = file.subarray(0, 3 << 20);
    const expecting = await curl(
      ['-X', 'PUT', '-H', 'Expect: 100-continue', '--data-binary', '@-', 'http://echo/'],
      body,
    );
    assert.ok(expecting.out.equals(body));
    const chunked = await curl(['-T', '-', 'http://echo/'], body);
    assert.ok(chunked.out.equals(body));
  });

  it('carries POSTs to a server that closes idle connections after a second, resting between them', async () => {
    for (const restMs of [0, 950, 1_000, 1_050]) {
      await new Promise<void>((resolve) => void setTimeout(resolve, restMs));
      assert.equal(
        (
          await curl(['-X', 'POST', '-d', 'x', '-o', '/dev/null', '-w', '%{http_code}', 'http://files/who'])
        ).out.toString(),
        '200',
      );
    }
  });

  it('serves Python, which honours http_proxy', async () => {
    const program = `
import urllib.request
r = urllib.request.urlopen(urllib.request.Request('http://echo/x', data=b'from python', method='POST'))
print(r.status, r.read().decode(), r.headers['x-caller'])
`;
    const { out } = await run('python3', ['-c', program]);
    assert.equal(out.toString().trim(), '200 from python spiffe://cluster.local/ns/shop/sa/web');
  });

  it('says why when the application is gone, and serves again when it is back', async () => {
    await kill('nginx');
    const { out } = await curl(['-i', 'http://files/who']);
    assert.match(out.toString(), /^HTTP\/1\.1 50[23] /);
    startNginx();
    await eventually(async () => (await statusOf('http://files/who')) === '200', WAIT_MS);
  });

  it('goes on without a control plane, restarts of sidecars included, and follows it when it is back', async () => {
    await kill('control');
    assert.equal(await statusOf('http://files/who'), '200');
    await kill('web');
    await startSidecar('web', 0, '');
    assert.equal(await statusOf('http://files/who'), '200');
    await kill('files');
    await startSidecar('files', nginxPort, '');
    await eventually(async () => (await statusOf('http://files/who')) === '200', WAIT_MS);
    await startControl();
    writeFileSync(
      join(config, 'route.yaml'),
      `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: files, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: files}]
  rules:
  - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-route, value: fresh}]}}]
    backendRefs: [{name: files, port: 80}]
`,
    );
    await eventually(
      async () => /x-route: fresh/.test((await curl(['-i', 'http://files/who'])).out.toString()),
      WAIT_MS,
    );
  });

  it('refuses callers while the only sidecar of a service is dead, and not once it is back', async () => {
    await kill('echo');
    assert.equal(await statusOf('http://echo/'), '503');
    await startSidecar('echo', pythonPort, '');
    await eventually(async () => (await statusOf('http://echo/')) === '200', WAIT_MS);
  });
});
