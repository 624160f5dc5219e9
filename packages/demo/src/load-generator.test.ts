import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { LoadGenerator } from './load-generator.ts';
import { ProcessSupervisor } from './process-supervisor.ts';
import { waitUntil } from './wait-until.ts';

let answer: RequestListener = (_, response) => void response.end();
const server = createServer((request, response) => answer(request, response));
const supervisor = new ProcessSupervisor(mkdtempSync(join(tmpdir(), 'weft-load-')), false);
const load = new LoadGenerator(supervisor, 'load');
let port = 0;

before(async () => {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  port = (server.address() as AddressInfo).port;
});
after(async () => {
  await supervisor.stopAll(false);
  server.close();
  server.closeAllConnections();
});

test('it sends the whole URL to the proxy and counts answers by status, instance and version', async () => {
  const seen: (string | undefined)[] = [];
  answer = (request, response) => {
    seen.push(request.url, request.headers.host);
    response.writeHead(seen.length > 10 ? 503 : 200, { 'x-instance': 'a', 'x-version': 'v1' }).end('x');
  };
  await load.start('run', { proxyPort: port, url: 'http://stock/stock', rate: 500, limit: 10 });
  const counts = await load.finish('run');
  assert.deepEqual(new Set(seen), new Set(['http://stock/stock', 'stock']));
  assert.deepEqual([counts.sent, counts.ok, counts.failed], [10, 5, 5]);
  assert.deepEqual(counts.statuses, { 200: 5, 503: 5 });
  assert.deepEqual([counts.instances, counts.versions], [{ a: 10 }, { v1: 10 }]);
  assert.deepEqual(counts.errors, { '503 by a': 5 });
});

test('requests leave when they are due, answered or not', async () => {
  let waiting = 0;
  answer = (_, response) => {
    waiting += 1;
    // All are under way at once, or this never ends.
    if (waiting === 20) for (const each of held) each.end();
    else held.push(response);
    if (waiting === 20) response.end();
  };
  const held: { end(): void }[] = [];
  await load.start('open', { proxyPort: port, url: 'http://stock/', rate: 1_000, limit: 20 });
  const counts = await load.finish('open');
  assert.deepEqual([counts.ok, counts.failed], [20, 0]);
});

test('a connection that is cut within an answer is a failure', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half');
    setImmediate(() => response.destroy());
  };
  await load.start('cut', { proxyPort: port, url: 'http://stock/', rate: 500, limit: 3 });
  const counts = await load.finish('cut');
  assert.deepEqual([counts.ok, counts.failed], [0, 3]);
});

test('refusals are counted by their reason, with their own latency', async () => {
  answer = (_, response) => void response.writeHead(503, { 'weft-refused': 'circuit-open' }).end();
  await load.start('refused', { proxyPort: port, url: 'http://stock/', rate: 500, limit: 4 });
  const counts = await load.finish('refused');
  assert.deepEqual(counts.refused, { 'circuit-open': 4 });
  assert.equal(counts.refusal.count, 4);
});

test('a window holds what came since the last one', async () => {
  answer = (_, response) => void response.end();
  await load.start('windows', { proxyPort: port, url: 'http://stock/', rate: 500, limit: 5 });
  await waitUntil('all answers', 5_000, async () => ((await load.read('windows')).ok === 5 ? true : undefined));
  const [first, second] = [await load.window('windows'), await load.window('windows')];
  assert.deepEqual([first.sent, first.ok, second.sent, second.ok], [5, 5, 0, 0]);
  assert.equal((await load.finish('windows')).ok, 5);
});
