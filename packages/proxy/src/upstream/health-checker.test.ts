import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type RequestListener, createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { EndpointState } from '@weft/balance';
import type { BackendState } from '@weft/decision';
import { http1Defaults } from '@weft/http';
import { TimerWheel, seededRandom, systemClock } from '@weft/kernel';
import type { ApplicationProtocol, HealthCheckPolicy } from '@weft/model';
import { HealthChecker } from './health-checker.ts';

const policy: HealthCheckPolicy = {
  type: 'Http',
  path: '/alive?deep=1',
  statuses: [{ from: 200, to: 204 }],
  intervalMs: 40,
  timeoutMs: 300,
  unhealthyAfter: 2,
  healthyAfter: 2,
};

test('a check asks the path with a name and an id of its own, and the status says how it went', async (t) => {
  const statuses = [200, 204, 205, 503];
  const heads: string[] = [];
  const port = await serve(t, (request, response) => {
    heads.push(`${request.method} ${request.url} ${request.headers['user-agent']} ${request.headers.host}`);
    assert.match(String(request.headers['x-request-id']), /^[0-9a-f-]{36}$/);
    response.writeHead(statuses[heads.length - 1] ?? 500).end('a body');
  });
  assert.deepEqual(await verdicts(t, port, policy, 5), [true, true, false, false, false]);
  assert.equal(heads[0], `GET /alive?deep=1 weft-health 127.0.0.1:${port}`);
});

test('an endless body is cut off and the status counts', async (t) => {
  const port = await serve(t, (_request, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(16 * 1024)));
    };
    response.on('drain', more);
    more();
  });
  assert.deepEqual(await verdicts(t, port, policy, 1), [true]);
});

test('no answer within the time-out, no HTTP, and nobody there are failures', async (t) => {
  const silent = await serve(t, () => {});
  assert.deepEqual(await verdicts(t, silent, { ...policy, timeoutMs: 50 }, 1), [false]);
  const babbler = createTcpServer((socket) => void socket.on('error', () => {}).end('what?\r\n\r\n'));
  t.after(() => babbler.close());
  await once(babbler.listen(0, '127.0.0.1'), 'listening');
  assert.deepEqual(await verdicts(t, (babbler.address() as AddressInfo).port, policy, 1), [false]);
  const gone = createTcpServer();
  await once(gone.listen(0, '127.0.0.1'), 'listening');
  const { port } = gone.address() as AddressInfo;
  await once(gone.close(), 'close');
  assert.deepEqual(await verdicts(t, port, policy, 1), [false]);
});

test('an endpoint that declares HTTP/2 is asked in HTTP/2', async (t) => {
  const statuses = [200, 503, 204];
  let asked = 0;
  const server = createHttp2Server((request, response) => {
    assert.equal(request.url, '/alive?deep=1');
    response.writeHead(statuses[asked]!).end('a body');
    asked += 1;
  });
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  assert.deepEqual(await verdicts(t, port, policy, 3, 'Grpc'), [true, false, true]);
  const other = await serve(t, (_request, response) => void response.end());
  assert.deepEqual(await verdicts(t, other, policy, 1, 'Http2'), [false]);
});

test('a TCP check passes when the connection opens, and sends nothing', async (t) => {
  let received = 0;
  const server = createTcpServer((socket) => void socket.on('error', () => {}).on('data', () => (received += 1)));
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  assert.deepEqual(await verdicts(t, port, { ...policy, type: 'Tcp' }, 2), [true, true]);
  assert.equal(received, 0);
});

async function serve(t: TestContext, answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

/** What a checker over one endpoint of one backend tells that backend, the first so many times. */
async function verdicts(
  t: TestContext,
  port: number,
  healthCheck: HealthCheckPolicy,
  count: number,
  protocol: ApplicationProtocol = 'Http1',
): Promise<boolean[]> {
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const heard: boolean[] = [];
  let wake = (): void => {};
  const endpoint = {
    endpoint: { address: '127.0.0.1', port, applicationPort: port, identity: '', mesh: false },
  } as unknown as EndpointState;
  const backend = {
    policy: { healthCheck, protocol },
    endpoints: [endpoint],
    healthChecked: (_endpoint: EndpointState, _nowMs: number, passed: boolean) => {
      heard.push(passed);
      wake();
    },
  } as unknown as BackendState;
  const now = (): number => systemClock.nowMs();
  const checker = new HealthChecker(
    {
      wheel,
      limits: http1Defaults,
      random: seededRandom(1),
      now,
      tick: now,
      dialTls: () => null,
      dialHttp1: () => null,
      isOwnAddress: () => false,
    },
    () => [backend],
  );
  checker.update();
  t.after(() => {
    checker.stop();
    wheel.stop();
  });
  while (heard.length < count) await new Promise<void>((resolve) => void (wake = resolve));
  return heard.slice(0, count);
}
