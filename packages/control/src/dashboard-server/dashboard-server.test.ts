import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startTestControl, temporaryFolder } from '../control-harness.ts';

const CONFIG = `apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: "no", namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 99999999}]}
`;

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

interface Opened {
  readonly token: string;
  readonly stateFolder: string;
  ask(path: string, headers?: Record<string, string>, method?: string): Promise<Answer>;
}

async function open(t: TestContext): Promise<Opened> {
  const place = temporaryFolder(t);
  const config = join(place, 'mesh');
  const folder = join(place, 'pages');
  const stateFolder = join(place, 'state');
  mkdirSync(config);
  mkdirSync(join(folder, 'assets'), { recursive: true });
  writeFileSync(join(config, 'a.yaml'), CONFIG);
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>Weft</title>');
  writeFileSync(join(folder, 'assets', 'app-1.js'), 'export const a = 1;');
  writeFileSync(join(folder, 'notes.txt'), 'no page of it');
  const { control } = await startTestControl(t, {
    configFolder: config,
    stateFolder,
    dashboard: { port: 0, folder },
  });
  const { address, token } = control.dashboard!;
  const { port } = new URL(address);
  return {
    token,
    stateFolder,
    // By http.request, which sends a Host and a path as they are given.
    ask: (path, headers = {}, method = 'GET') =>
      new Promise((resolve, reject) => {
        const request = httpRequest({ host: '127.0.0.1', port, path, method, headers }, (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (piece: string) => (body += piece));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
        });
        request.on('error', reject).end();
      }),
  };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('the API answers nobody without the token, in the header and nowhere else', async (t) => {
  const { ask, token } = await open(t);
  for (const [path, headers] of [
    ['/api/v1/overview', {}],
    ['/api/v1/overview', bearer(`${token.slice(0, -1)}_`)],
    ['/api/v1/overview', { authorization: `Basic ${token}` }],
    [`/api/v1/overview?token=${token}`, { cookie: `token=${token}` }],
    ['/api/v1/tap', {}],
    ['/api', {}],
  ] as const) {
    const { status, body } = await ask(path, headers);
    assert.equal(status, 401, path);
    assert.match((JSON.parse(body) as { error: string }).error, /weft dashboard/);
    assert.ok(!body.includes(token));
  }
  assert.equal((await ask('/api/v1/overview', bearer(token))).status, 200);
});

test('it can be read and never written', async (t) => {
  const { ask, token } = await open(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const { status, headers } = await ask('/api/v1/objects', bearer(token), method);
    assert.deepEqual([status, headers['allow']], [405, 'GET, HEAD']);
  }
});

test('a name that was made to point here is refused', async (t) => {
  const { ask, token } = await open(t);
  assert.equal((await ask('/', { host: 'evil.example' })).status, 421);
  assert.equal((await ask('/api/v1/overview', { ...bearer(token), host: 'evil.example:15080' })).status, 421);
  assert.equal((await ask('/', { host: 'localhost:9' })).status, 200);
});

test('every answer forbids frames, foreign scripts and guesses at its type', async (t) => {
  const { ask } = await open(t);
  for (const path of ['/', '/assets/app-1.js', '/assets/none.js', '/api/v1/overview', '/services/shop/cart']) {
    const { headers } = await ask(path);
    const policy = String(headers['content-security-policy']);
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
    ]) {
      assert.ok(policy.includes(rule), `${path}: ${rule}`);
    }
    assert.ok(!policy.includes('unsafe'), path);
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['access-control-allow-origin'], undefined);
  }
});

test('deep links are the page, assets are kept for ever, and no path leaves the folder', async (t) => {
  const { ask } = await open(t);
  const page = await ask('/services/shop/cart.v1');
  assert.deepEqual([page.status, page.headers['cache-control']], [200, 'no-cache']);
  assert.match(page.body, /<title>Weft/);
  const asset = await ask('/assets/app-1.js', { 'accept-encoding': 'gzip' });
  assert.deepEqual([asset.status, asset.headers['content-encoding']], [200, 'gzip']);
  assert.match(String(asset.headers['cache-control']), /immutable/);
  assert.equal((await ask('/assets/../../state/dashboard-token')).body, page.body);
  assert.equal((await ask('/assets/%2e%2e/%2e%2e/state/dashboard-token')).body, page.body);
  assert.equal((await ask('/notes.txt')).body, page.body);
  assert.equal((await ask('/assets/gone.js')).status, 404);
});

test('documents carry a tag, and what is as it was is not sent again', async (t) => {
  const { ask, token } = await open(t);
  const first = await ask('/api/v1/services', bearer(token));
  assert.deepEqual(JSON.parse(first.body), { services: ['shop/cart'] });
  const tag = String(first.headers['etag']);
  assert.ok(Number(first.headers['weft-refresh-ms']) > 0);
  const again = await ask('/api/v1/services', { ...bearer(token), 'if-none-match': tag });
  assert.deepEqual([again.status, again.body], [304, '']);
});

test('an object that is refused is told with its problem, and one that is not there with 404', async (t) => {
  const { ask, token } = await open(t);
  const { problems, server } = JSON.parse((await ask('/api/v1/overview', bearer(token))).body) as {
    problems: { name: string; severity: string }[];
    server: { objectsRefused: number };
  };
  assert.equal(server.objectsRefused, 1);
  assert.deepEqual(problems.map(({ name, severity }) => [name, severity])[0], ['no', 'error']);
  const found = await ask('/api/v1/objects/Service/shop/cart', bearer(token));
  assert.match(found.body, /"yaml":"apiVersion: v1/);
  assert.equal((await ask('/api/v1/objects/Service/-/cart', bearer(token))).status, 404);
  assert.equal((await ask('/api/v1/proxies/shop/none', bearer(token))).status, 404);
});

test('what is asked wrongly is answered with what is right', async (t) => {
  const { ask, token } = await open(t);
  for (const [path, status, words] of [
    ['/api/v1/nothing', 404, /no \/api\/v1\/nothing/],
    ['/api/v1/topology?window=1', 400, /from 5000 to 1800000/],
    ['/api/v1/topology?window=-5', 400, /window/],
    ['/api/v1/services/%ff/x', 400, /well formed/],
    [`/api/v1/services/a/${'b'.repeat(600)}`, 400, /well formed/],
    ['/api/v1/tap?status=9xx', 400, /status: expected/],
    ['/api/v1/tap?rate=0', 400, /rate: expected/],
    ['/api/v1/tap?direction=up', 400, /direction: expected/],
    ['/api/v1/tap?target=shop/none', 404, /no proxy/],
  ] as const) {
    const answer = await ask(path, bearer(token));
    assert.equal(answer.status, status, path);
    assert.match((JSON.parse(answer.body) as { error: string }).error, words);
  }
});

test('what nobody has reported is null, not zero', async (t) => {
  const { ask, token } = await open(t);
  const { signals, series } = JSON.parse((await ask('/api/v1/services/shop/cart', bearer(token))).body) as {
    signals: Record<string, number | null>;
    series: { requestsPerS: (number | null)[] };
  };
  assert.deepEqual(
    Object.values(signals).filter((value) => value !== null),
    [],
  );
  assert.ok(series.requestsPerS.every((value) => value === null));
});

test('the token outlives a restart in a file for its owner only', async (t) => {
  const { token, stateFolder } = await open(t);
  assert.equal(statSync(join(stateFolder, 'dashboard-token')).mode & 0o777, 0o600);
  const again = await startTestControl(t, {
    configFolder: temporaryFolder(t),
    stateFolder,
    dashboard: { port: 0, folder: temporaryFolder(t) },
  });
  assert.equal(again.control.dashboard?.token, token);
  const page = await fetch(`${again.control.dashboard?.address}/`);
  assert.equal(page.status, 503);
  assert.match(await page.text(), /npm run build:dashboard/);
});
