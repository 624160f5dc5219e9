import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { RequestOptions } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AdminServer } from './admin-server.ts';
import type { AdminPort } from './admin-server.ts';

interface Answer {
  readonly status: number;
  readonly text: string;
}

function ask(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent: false, ...options }, (incoming) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => void (text += chunk.toString()));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe('the admin interfaces', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-admin-'));
  const socketPath = join(folder, 'admin.sock');
  let notReady = '';
  let drains = 0;
  let announced = 0;
  let level = 'info';
  const admin = new AdminServer(
    {
      notReady: () => notReady,
      stats: () => ({ requests: 7 }),
      config: () => ({ secret: 'names' }),
      metrics: () => ({ contentType: 'text/plain', parts: ['weft_up 1\n', '# EOF\n'] }),
      drain: () => void (drains += 1),
      announceDrain: () => {
        announced += 1;
        return Promise.resolve();
      },
      probe: (path) => Promise.resolve({ status: path.endsWith('/livez') ? 200 : 404, text: path }),
      setLogLevel: (word) => {
        if (!['debug', 'info'].includes(word)) return false;
        level = word;
        return true;
      },
    },
    { statsPort: 0, metricsPort: 0, metricsHost: '127.0.0.1', drainKey: 'secret', socketPath },
  );
  const tcp = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
    ask({ host: '127.0.0.1', port: admin.statsPort, path, method, headers });
  const unix = (path: string, method = 'GET'): Promise<Answer> => ask({ socketPath, path, method });

  before(() => admin.listen());
  after(async () => {
    await admin.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('show figures on loopback, to loopback names only', async () => {
    assert.deepEqual(await tcp('/stats'), { status: 200, text: '{"requests":7}\n' });
    for (const host of ['localhost', `localhost:${admin.statsPort}`, '[::1]:15000', '127.0.0.1']) {
      assert.equal((await tcp('/stats', { host })).status, 200, host);
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '127.0.0.2']) {
      assert.equal((await tcp('/stats', { host })).status, 403, host);
    }
  });

  it('refuse pages of other sites, whatever they name us', async () => {
    for (const origin of ['http://evil.example', 'null', 'http://localhost']) {
      assert.equal((await tcp('/stats', { origin })).status, 403);
    }
  });

  it('change nothing and show no configuration over TCP', async () => {
    for (const path of ['/config', '/drain', '/log-level/debug']) {
      assert.equal((await tcp(path)).status, 404);
      assert.equal((await tcp(path, {}, 'POST')).status, 405);
      assert.equal((await tcp(path, {}, 'PUT')).status, 405);
    }
    assert.equal(drains, 0);
    assert.equal(level, 'info');
  });

  it('open the socket for this user alone', async () => {
    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
    assert.deepEqual(await unix('/config'), { status: 200, text: '{"secret":"names"}\n' });
    assert.equal((await unix('/log-level/debug', 'PUT')).status, 200);
    assert.equal((await unix('/log-level/loud', 'PUT')).status, 400);
    assert.equal((await unix('/drain')).status, 404);
    assert.equal(drains, 0);
    assert.equal((await unix('/drain', 'POST')).status, 202);
    assert.deepEqual([drains, level], [1, 'debug']);
  });

  it('say whether they are ready, and why not', async () => {
    assert.equal((await tcp('/ready')).status, 200);
    notReady = 'no valid certificate';
    const answer = await tcp('/ready');
    assert.equal(answer.status, 503);
    assert.match(answer.text, /no valid certificate/);
    notReady = '';
  });

  it('begin a drain on the open port for whoever has the key, and for nobody else', async () => {
    const wait = (headers: Record<string, string>): Promise<Answer> =>
      ask({ host: '127.0.0.1', port: admin.metricsPort, path: '/drain/wait', headers });
    for (const headers of [{}, { 'weft-drain-key': '' }, { 'weft-drain-key': 'secreT' }]) {
      assert.equal((await wait(headers)).status, 403);
    }
    assert.equal(announced, 0);
    assert.deepEqual(await wait({ 'weft-drain-key': 'secret' }), { status: 200, text: 'callers know\n' });
    assert.equal(announced, 1);
  });

  it('answer the kubelet for the application', async () => {
    const at = (path: string): Promise<Answer> => ask({ host: '127.0.0.1', port: admin.metricsPort, path });
    assert.deepEqual(await at('/app-health/web/livez'), { status: 200, text: '/app-health/web/livez\n' });
    assert.equal((await at('/app-health/web/other')).status, 404);
  });

  it('serve metrics whole', async () => {
    const answer = await ask({ host: '127.0.0.1', port: admin.metricsPort, path: '/metrics' });
    assert.deepEqual(answer, { status: 200, text: 'weft_up 1\n# EOF\n' });
  });
});

describe('the admin socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-admin-'));
  const socketPath = join(folder, 'admin.sock');
  const port: AdminPort = {
    notReady: () => '',
    stats: () => ({}),
    config: () => ({}),
    metrics: () => ({ contentType: 'text/plain', parts: [] }),
    drain: () => {},
    announceDrain: () => Promise.resolve(),
    probe: () => Promise.resolve({ status: 404, text: '' }),
    setLogLevel: () => true,
  };
  const adminAt = (path: string): AdminServer =>
    new AdminServer(port, { statsPort: -1, metricsPort: -1, metricsHost: '127.0.0.1', drainKey: '', socketPath: path });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is not taken from a process that serves it, not even by giving up on it', async () => {
    const first = adminAt(socketPath);
    await first.listen();
    try {
      const second = adminAt(socketPath);
      await assert.rejects(second.listen(), {
        message: `${socketPath} is served by another process already; choose another path`,
      });
      await second.close();
      assert.deepEqual(await ask({ socketPath, path: '/ready' }), { status: 200, text: 'ready\n' });
    } finally {
      await first.close();
    }
    assert.equal(existsSync(socketPath), false);
  });

  it('is taken over from a process that has left it behind', async () => {
    const behind = createServer();
    await new Promise<void>((resolve) => void behind.listen(`${socketPath}.old`, resolve));
    // Under another name the file outlives its server, as it does when a process is killed.
    renameSync(`${socketPath}.old`, socketPath);
    await new Promise<void>((resolve) => void behind.close(() => resolve()));
    assert.ok(statSync(socketPath).isSocket());
    const admin = adminAt(socketPath);
    await admin.listen();
    assert.equal((await ask({ socketPath, path: '/ready' })).status, 200);
    await admin.close();
  });

  it('never replaces a file', async () => {
    const path = join(folder, 'notes');
    writeFileSync(path, 'kept');
    const admin = adminAt(path);
    await assert.rejects(admin.listen(), { message: `${path} is there already and is no socket; choose another path` });
    await admin.close();
    assert.equal(readFileSync(path, 'latin1'), 'kept');
  });
});
