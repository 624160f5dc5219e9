/**
 * What a client sends is one request to every reader behind the proxy, or to none: the cases of the HTTP/1.1 codec, sent
 * through a real listener in front of real servers.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import type { Server } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { terminations } from '@weft/outcome';
import { eventually, freePorts } from '@weft/testkit';
import { smugglingCases } from '../../packages/http/src/http1/smuggling-cases.ts';
import { PlaneFixture } from '../../packages/proxy/src/fixture/plane-fixture.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly body: string;
}

const localKey = 'shop/orders:8080';

/** Everything that comes back for these bytes, sent whole and followed by the client's end. */
function converse(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const finish = (): void => {
      socket.destroy();
      resolve(Buffer.concat(received).toString('latin1'));
    };
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.on('end', finish);
    socket.on('error', finish);
    socket.setTimeout(5_000, finish);
    socket.end(Buffer.from(bytes, 'latin1'));
  });
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
}

/** A plane whose inbound listener stands in front of one port. */
async function guard(applicationPort: number): Promise<{ fixture: PlaneFixture; port: number }> {
  const fixture = new PlaneFixture();
  fixture.plane.serveLocally([{ key: localKey, host: '127.0.0.1', port: applicationPort }]);
  const { port } = await fixture.listen({ kind: 'inbound', destination: localKey });
  return { fixture, port };
}

describe('requests in front of node:http', () => {
  const seen: Seen[] = [];
  let bytes = 0;
  let application: Server;
  let fixture: PlaneFixture;
  let port: number;

  before(async () => {
    application = createHttp({ maxHeaderSize: 1 << 17 }, (request, response) => {
      const body: Buffer[] = [];
      request.on('data', (chunk: Buffer) => body.push(chunk));
      request.on('end', () => {
        seen.push({ method: request.method!, url: request.url!, body: Buffer.concat(body).toString('latin1') });
        response.end('ok');
      });
    });
    application.maxHeadersCount = 0;
    application.on('connection', (socket) => socket.on('data', (chunk: Buffer) => void (bytes += chunk.length)));
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    ({ fixture, port } = await guard((application.address() as AddressInfo).port));
  });
  after(() => {
    fixture.close();
    application.close();
    application.closeAllConnections();
  });

  // The port serves HTTP/2 by its preface, which is refused by the HTTP/1.1 reader only.
  const isPreface = (bytes: string): boolean => bytes.startsWith('PRI * HTTP/2.0\r\n\r\nSM');
  for (const example of smugglingCases.filter(({ side, bytes }) => side === 'request' && !isPreface(bytes))) {
    it(`${example.row}: ${example.name} (${example.verdict})`, async () => {
      seen.length = 0;
      bytes = 0;
      fixture.connections.length = 0;
      const answer = await converse(port, example.bytes);
      if (example.verdict === 'accepted') {
        // CONNECT is well-formed and not for an inbound listener.
        if (example.bytes.startsWith('CONNECT ')) {
          assert.equal(statusOf(answer), 501);
          assert.equal(bytes, 0);
          return;
        }
        assert.equal(seen.length, example.heads, answer.slice(0, 300));
        assert.equal(seen.map(({ body }) => body).join(''), example.data);
        return;
      }
      if (example.heads === 0) assert.equal(bytes, 0, 'bytes of a refused head reached the application');
      const whole = seen.map(({ body }) => body).join('');
      assert.ok(seen.length <= example.heads && example.data.startsWith(whole));
      const { httpStatus } = terminations[example.verdict];
      // The last answer is the refusal; a refused body may have been answered before, or cut.
      if (example.heads === 0) assert.equal(statusOf(answer), httpStatus);
      if (httpStatus > 0 && example.heads === 0) assert.match(answer, /connection: close/i);
      await eventually(() => fixture.connections.some(({ code }) => code === example.verdict), 2_000);
    });
  }
});

describe('responses in front of a client', () => {
  for (const example of smugglingCases.filter(({ side }) => side === 'response')) {
    it(`${example.row}: ${example.name} (${example.verdict})`, async () => {
      let connections = 0;
      const upstream = createServer((socket) => {
        connections += 1;
        const answer = connections === 1 ? example.bytes : 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh';
        socket.on('error', () => {});
        socket.once('data', () => {
          socket.write(Buffer.from(answer, 'latin1'));
          if (connections === 1) socket.end();
        });
      });
      upstream.listen(0, '127.0.0.1');
      await once(upstream, 'listening');
      const { fixture, port } = await guard((upstream.address() as AddressInfo).port);
      try {
        const offer = example.offered === '' ? '' : `Connection: Upgrade\r\nUpgrade: ${example.offered}\r\n`;
        if (example.asked === 'CONNECT') return;
        const answer = await converse(port, `${example.asked} / HTTP/1.1\r\nHost: a\r\n${offer}\r\n`);
        if (example.verdict !== 'accepted' && example.heads === 0) {
          assert.equal(statusOf(answer.slice(answer.lastIndexOf('HTTP/1.1 '))), 502);
        }
        const heads = answer.split(/\r\n\r\n/)[0]!;
        assert.doesNotMatch(heads, /\r(?!\n)|[^\r]\n|\0/, 'a line of the answer is split');
        // Whatever was left over is nobody's answer.
        const next = await converse(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        assert.match(next, /fresh$/);
      } finally {
        fixture.close();
        upstream.close();
      }
    });
  }
});

describe('requests in front of nginx', { skip: hasNginx() ? false : 'nginx is not installed' }, () => {
  let folder: string;
  let nginx: ChildProcess;
  let fixture: PlaneFixture;
  let port: number;
  const lines = (): string[] => readFileSync(join(folder, 'access.log'), 'latin1').split('\n').slice(0, -1);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'weft-nginx-'));
    const [nginxPort] = await freePorts(1);
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 256; }
http {
  log_format seen escape=json '$request_method $request_uri $status $request_length';
  access_log ${folder}/access.log seen;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  large_client_header_buffers 8 64k; keepalive_requests 100000;
  server { listen 127.0.0.1:${nginxPort} default_server; ignore_invalid_headers off;
    location / { return 200 "$request_uri"; } }
}`,
    );
    writeFileSync(join(folder, 'access.log'), '');
    nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
    await eventually(async () => {
      const probe = connect({ port: nginxPort!, host: '127.0.0.1' });
      await once(probe, 'connect');
      probe.destroy();
    }, 5_000);
    ({ fixture, port } = await guard(nginxPort!));
  });
  after(async () => {
    fixture.close();
    const exited = once(nginx, 'exit');
    nginx.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });

  const passing = smugglingCases.filter(
    ({ side, verdict, bytes }) => side === 'request' && verdict === 'accepted' && !bytes.startsWith('CONNECT '),
  );
  for (const example of passing) {
    it(`${example.row}: ${example.name}`, async () => {
      const linesBefore = lines().length;
      await converse(port, example.bytes);
      await eventually(() => lines().length >= linesBefore + example.heads, 2_000);
      assert.equal(lines().length, linesBefore + example.heads);
    });
  }
});

function hasNginx(): boolean {
  return spawnSync('nginx', ['-v'], { stdio: 'ignore' }).error === undefined;
}
