import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, type Server, createServer as createTcpServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { ProbeTable } from '@weft/injection';
import { doorAt } from '../transport/application-door.ts';
import { ApplicationHealth } from './application-health.ts';

async function portOf(server: Pick<Server, 'listen' | 'address' | 'on'>): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server as Server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('probes made for the kubelet', () => {
  let serving = 1;
  let seen = '';
  const http = createServer((request, response) => {
    seen = `${request.url} ${request.headers['x-probe']}`;
    response.writeHead(Number(new URL(request.url ?? '/', 'http://a').searchParams.get('status') ?? 200));
    response.end('body');
  });
  const grpc = createHttp2Server((request, response) => {
    const asked: Buffer[] = [];
    request.on('data', (chunk: Buffer) => asked.push(chunk));
    request.on('end', () => {
      const service = Buffer.concat(asked).subarray(7).toString();
      seen = `${request.url} ${service}`;
      response.writeHead(200, { 'content-type': 'application/grpc' });
      response.addTrailers({ 'grpc-status': service === 'unknown' ? '5' : '0' });
      response.end(Buffer.from([0, 0, 0, 0, 2, 8, serving]));
    });
  });
  const silent = createTcpServer(() => {});
  let health: ApplicationHealth;

  before(async () => {
    const [httpPort, grpcPort, silentPort] = [await portOf(http), await portOf(grpc), await portOf(silent)];
    const base = { scheme: 'http', headers: [['x-probe', 'yes']], timeoutMs: 2_000 } as const;
    const free = createTcpServer();
    const nobody = await portOf(free);
    free.close();
    const table: ProbeTable = {
      '/app-health/a/ok': { ...base, type: 'http', port: httpPort, path: '/live?deep=1' },
      '/app-health/a/moved': { ...base, type: 'http', port: httpPort, path: '/?status=302' },
      '/app-health/a/bad': { ...base, type: 'http', port: httpPort, path: '/?status=503' },
      '/app-health/a/late': { ...base, type: 'http', port: silentPort, path: '/', timeoutMs: 50 },
      '/app-health/a/grpc': { type: 'grpc', port: grpcPort, service: 'shop.Cart', timeoutMs: 2_000 },
      '/app-health/a/stranger': { type: 'grpc', port: grpcPort, service: 'unknown', timeoutMs: 2_000 },
      '/app-health/a/grpc-late': { type: 'grpc', port: silentPort, service: '', timeoutMs: 50 },
      '/app-health/a/tcp': { type: 'tcp', port: silentPort, timeoutMs: 2_000 },
      '/app-health/a/nobody': { type: 'tcp', port: nobody, timeoutMs: 2_000 },
      '/app-health/a/grpc-nobody': { type: 'grpc', port: nobody, service: '', timeoutMs: 2_000 },
    };
    health = new ApplicationHealth(table, (port) => doorAt('127.0.0.1', port));
  });
  after(() => {
    for (const server of [http, grpc, silent]) server.close();
    http.closeAllConnections();
  });

  it('ask by HTTP as the pod was told to be asked, and pass on what is no success', async () => {
    assert.deepEqual(await health.answer('/app-health/a/ok'), { status: 200, text: 'ok' });
    assert.equal(seen, '/live?deep=1 yes');
    assert.equal((await health.answer('/app-health/a/moved')).status, 200);
    assert.deepEqual(await health.answer('/app-health/a/bad'), { status: 503, text: 'the application answered 503' });
    assert.equal((await health.answer('/app-health/a/late')).status, 504);
  });

  it('ask by gRPC whether a service is served', async () => {
    assert.equal((await health.answer('/app-health/a/grpc')).status, 200);
    assert.equal(seen, '/grpc.health.v1.Health/Check shop.Cart');
    serving = 2;
    assert.equal((await health.answer('/app-health/a/grpc')).status, 503);
    assert.match((await health.answer('/app-health/a/stranger')).text, /gRPC status 5/);
    assert.equal((await health.answer('/app-health/a/grpc-late')).status, 504);
    assert.equal((await health.answer('/app-health/a/grpc-nobody')).status, 502);
  });

  it('connect by TCP, and make no probe that the pod did not ask for', async () => {
    assert.equal((await health.answer('/app-health/a/tcp')).status, 200);
    assert.match((await health.answer('/app-health/a/nobody')).text, /ECONNREFUSED/);
    for (const path of ['/app-health/a/other', '/app-health/__proto__', '/app-health/constructor']) {
      assert.equal((await health.answer(path)).status, 404);
    }
  });

  it('are at most 64 at once, whoever asks', async () => {
    const answers = await Promise.all(Array.from({ length: 70 }, () => health.answer('/app-health/a/late')));
    assert.equal(answers.filter(({ status }) => status === 503).length, 6);
    assert.equal((await health.answer('/app-health/a/ok')).status, 200);
  });
});
