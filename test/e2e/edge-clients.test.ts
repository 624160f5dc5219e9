/** Real clients at a gateway's HTTPS: curl, h2load, and a page in Chromium that fetches and holds a WebSocket through it. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { launch } from 'puppeteer-core';
import type { Page } from 'puppeteer-core';
import { startHttpsEdge } from '../../packages/proxy/src/fixture/https-edge.ts';
import { findChromium } from '../dashboard/browser.ts';

const run = promisify(execFile);
const PAGE_MS = 90_000;
/** RFC 6455 §1.3. */
const WEB_SOCKET = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What the page has to say. */
interface PageFacts {
  readonly protocol: string;
  readonly posted: string;
  readonly echoed: boolean;
}

describe('an HTTPS listener of a gateway', { timeout: 2 * PAGE_MS }, () => {
  let application: Server;
  let edge: { port: number; close(): void };
  let upgrades: string[];

  before(async () => {
    upgrades = [];
    application = createServer((request, response) => {
      if (request.url === '/') {
        response
          .setHeader('content-type', 'text/html; charset=utf-8')
          .end('<!doctype html><title>behind the edge</title>');
        return;
      }
      const sum = createHash('sha256');
      request.on('data', (chunk: Buffer) => void sum.update(chunk));
      request.on('end', () => response.end(`${request.method} ${sum.digest('hex')}`));
    });
    application.on('upgrade', (request, socket) => {
      upgrades.push(`${request.headers.via} ${request.headers.upgrade}`);
      const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${WEB_SOCKET}`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      echoFrames(socket as Socket);
    });
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    edge = await startHttpsEdge((application.address() as AddressInfo).port);
  });
  after(() => {
    edge.close();
    application.closeAllConnections();
    application.close();
  });

  it(
    'speaks HTTP/2 with curl by ALPN, and HTTP/1.1 where curl wants that',
    { skip: missing('curl', 'curl') },
    async () => {
      const where = [`--resolve`, `edge.example:${edge.port}:127.0.0.1`, `https://edge.example:${edge.port}/sum`];
      const common = ['-s', '-k', '--max-time', '20', '-d', 'x'.repeat(100_000), '-w', ' %{http_version}'];
      const sum = createHash('sha256').update('x'.repeat(100_000)).digest('hex');
      assert.equal((await run('curl', [...common, '--http2', ...where])).stdout, `POST ${sum} 2`);
      assert.equal((await run('curl', [...common, '--http1.1', ...where])).stdout, `POST ${sum} 1.1`);
    },
  );

  it(
    'carries 1,000 requests of h2load over TLS without a failure',
    { skip: missing('h2load', 'nghttp2-client') },
    async () => {
      const args = ['-n', '1000', '-c', '4', '-m', '16', `https://127.0.0.1:${edge.port}/sum`];
      const { stdout } = await run('h2load', args, { timeout: 60_000 });
      assert.match(stdout, /Application protocol: h2/);
      assert.match(stdout, /1000 succeeded, 0 failed, 0 errored, 0 timeout/);
    },
  );

  const chromium = findChromium();
  it(
    'serves a page in Chromium over HTTP/2, its uploads, and its WebSocket',
    { skip: chromium === undefined ? 'needs Chromium' : false },
    async () => {
      const browser = await launch({
        executablePath: chromium!,
        acceptInsecureCerts: true,
        args: ['--no-sandbox', '--headless=new', '--disable-gpu', '--host-resolver-rules=MAP edge.example 127.0.0.1'],
        protocolTimeout: PAGE_MS,
        timeout: PAGE_MS,
      });
      try {
        const page = await browser.newPage();
        page.setDefaultTimeout(PAGE_MS);
        await reach(page, `https://edge.example:${edge.port}/`);
        const facts: PageFacts = await page.evaluate(async () => {
          const [navigation] = performance.getEntriesByType('navigation' as 'node') as unknown as {
            nextHopProtocol: string;
          }[];
          const posted = await fetch('/sum', { method: 'POST', body: 'y'.repeat(1_000_000) });
          const host = (globalThis as unknown as { location: { host: string } }).location.host;
          const socket = new WebSocket(`wss://${host}/chat`);
          socket.binaryType = 'arraybuffer';
          const sent = Uint8Array.from({ length: 60_000 }, (_, index) => (index * 7) & 0xff);
          const heard = await new Promise<ArrayBuffer | string>((resolve) => {
            socket.addEventListener('open', () => socket.send(sent));
            socket.addEventListener('message', ({ data }) => resolve(data as ArrayBuffer));
            socket.addEventListener('error', () => resolve('the WebSocket failed'));
            setTimeout(() => resolve('nothing came back'), 20_000);
          });
          socket.close();
          const bytes = typeof heard === 'string' ? new Uint8Array(0) : new Uint8Array(heard);
          const echoed = bytes.length === sent.length && bytes.every((byte, index) => byte === sent[index]);
          return { protocol: navigation!.nextHopProtocol, posted: await posted.text(), echoed };
        });
        const sum = createHash('sha256').update('y'.repeat(1_000_000)).digest('hex');
        assert.deepEqual(facts, { protocol: 'h2', posted: `POST ${sum}`, echoed: true });
        // As extended CONNECT (RFC 8441), on the connection of the page.
        assert.deepEqual(upgrades, ['2.0 weft websocket']);
      } finally {
        await browser.close();
      }
    },
  );
});

/** Chromium gives up a navigation when any interface of the machine comes or goes meanwhile, as those of containers do. */
async function reach(page: Page, url: string): Promise<void> {
  for (let left = 5; ; left -= 1) {
    try {
      await page.goto(url, { waitUntil: 'domcontentloaded', timeout: PAGE_MS });
      return;
    } catch (error) {
      if (left === 0 || !String(error).includes('ERR_NETWORK_CHANGED')) throw error;
    }
  }
}

/** Sends each message of a WebSocket back, unmasked, as a server does (RFC 6455 §5). Messages of one frame and less than 64 KiB. */
function echoFrames(socket: Socket): void {
  let held: Buffer = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      if (held.length < 2) return;
      const short = held[1]! & 0x7f;
      const head = short === 126 ? 4 : 2;
      const length = short === 126 && held.length >= 4 ? held.readUInt16BE(2) : short;
      if (held.length < head + 4 + length) return;
      const mask = held.subarray(head, head + 4);
      const payload = Buffer.from(held.subarray(head + 4, head + 4 + length));
      for (let at = 0; at < payload.length; at += 1) payload[at]! ^= mask[at & 3]!;
      const answer = Buffer.from(held.subarray(0, head));
      answer[1]! &= 0x7f;
      socket.write(Buffer.concat([answer, payload]));
      held = held.subarray(head + 4 + length);
    }
  });
}

function missing(program: string, parcel: string): string | false {
  const found = spawnSync(program, ['--version']).error === undefined;
  return found ? false : `${program} is not installed: apt-get install ${parcel}`;
}
