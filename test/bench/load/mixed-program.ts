/** Run by mixed-driver.ts. */
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerLines } from '../line-program.ts';
import { bulkBytes, bulkPath } from './mixed-driver.ts';
import type { MixedCommand, MixedReply } from './mixed-driver.ts';
import { ReplyReader } from './reply-reader.ts';

type Of<D extends MixedCommand['do']> = Extract<MixedCommand, { do: D }>;

const CHUNK = Buffer.alloc(64 * 1024, 'u');

function startUpstream(): Promise<MixedReply> {
  const small = Buffer.alloc(67, 'x');
  const server = createServer((asked, reply) => {
    if (asked.url === bulkPath) {
      reply.writeHead(200, { 'content-length': bulkBytes });
      let left = bulkBytes;
      const more = (): void => {
        while (left > 0 && !reply.destroyed) {
          left -= CHUNK.length;
          if (!reply.write(CHUNK)) return;
        }
        reply.end();
      };
      reply.on('drain', more);
      more();
      return;
    }
    asked.resume();
    asked.once('end', () => reply.writeHead(200, { 'content-length': small.length }).end(small));
  });
  server.keepAliveTimeout = 3_600_000;
  server.requestTimeout = 0;
  return new Promise((resolve) => {
    const listening = (): void => resolve({ port: (server.address() as AddressInfo).port, errors: 0 });
    server.listen(0, '127.0.0.1', listening);
  });
}

interface Caller {
  readonly socket: Socket;
  intendedMs: number;
}

async function runCalls({ port, host, rate, connections, seconds }: Of<'calls'>): Promise<MixedReply> {
  const asked = Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const latencyMs: number[] = [];
  const free: Caller[] = [];
  const waiting: number[] = [];
  const state = { running: true, errors: 0 };
  const send = (caller: Caller, intendedMs: number): void => {
    caller.intendedMs = intendedMs;
    caller.socket.write(asked);
  };
  const all: Caller[] = [];
  for (let index = 0; index < connections; index += 1) {
    const reader = new ReplyReader();
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const caller = { socket, intendedMs: 0 };
    socket.on('data', (bytes: Buffer) => {
      if (!reader.feed(bytes)) return;
      if (reader.status !== 200) state.errors += 1;
      latencyMs.push(performance.now() - caller.intendedMs);
      const next = waiting.shift();
      if (next === undefined) free.push(caller);
      else send(caller, next);
    });
    socket.on('error', () => {});
    socket.once('close', () => void (state.running && (state.errors += 1)));
    all.push(caller);
  }
  free.push(...all);
  const startMs = performance.now();
  const total = rate * seconds;
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, ((performance.now() - startMs) / 1_000) * rate);
    for (; sent < due; sent += 1) {
      const caller = free.pop();
      const intendedMs = startMs + (sent / rate) * 1_000;
      if (caller === undefined) waiting.push(intendedMs);
      else send(caller, intendedMs);
    }
    await sleep(1);
  }
  for (let waited = 0; free.length < all.length && waited < 2_000; waited += 10) await sleep(10);
  state.running = false;
  for (const { socket } of all) socket.destroy();
  return { latencyMs, errors: state.errors + (total - latencyMs.length) };
}

async function runBulk(run: Of<'bulk'>): Promise<MixedReply> {
  const endMs = performance.now() + run.seconds * 1_000;
  const moved = { up: 0, down: 0, errors: 0, lastError: '' };
  const again = async (once: () => Promise<void>): Promise<void> => {
    while (performance.now() < endMs) {
      await once().catch((error: unknown) => {
        moved.errors += 1;
        moved.lastError = error instanceof Error ? error.message : String(error);
      });
    }
  };
  await Promise.all([again(() => upload(run, endMs, moved)), again(() => download(run, endMs, moved))]);
  return { uploadedBytes: moved.up, downloadedBytes: moved.down, errors: moved.errors, lastError: moved.lastError };
}

/** Stops in the middle when the time is up; what was moved until then counts. */
function upload({ port, host }: Of<'bulk'>, endMs: number, moved: { up: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { host, 'content-length': bulkBytes };
    const asked = request({ port, host: '127.0.0.1', agent: false, method: 'POST', path: '/', headers }, (reply) => {
      reply.resume();
      reply.once('end', () => (reply.statusCode === 200 ? resolve() : reject(new Error(`status ${reply.statusCode}`))));
    });
    let sent = 0;
    const more = (): void => {
      while (sent < bulkBytes) {
        if (performance.now() > endMs) {
          asked.off('error', reject).on('error', () => {});
          asked.destroy();
          resolve();
          return;
        }
        sent += CHUNK.length;
        moved.up += CHUNK.length;
        if (!asked.write(CHUNK)) return;
      }
      asked.end();
    };
    asked.on('drain', more);
    asked.on('error', reject);
    more();
  });
}

function download({ port, host }: Of<'bulk'>, endMs: number, moved: { down: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const asked = request({ port, host: '127.0.0.1', agent: false, path: bulkPath, headers: { host } }, (reply) => {
      reply.on('data', (part: Buffer) => {
        received += part.length;
        moved.down += part.length;
        if (performance.now() <= endMs) return;
        resolve();
        asked.destroy();
      });
      reply.once('end', () => (received === bulkBytes ? resolve() : reject(new Error(`${received} bytes`))));
    });
    asked.on('error', reject);
    asked.end();
  });
}

await answerLines<MixedCommand>((command) => {
  if (command.do === 'upstream') return startUpstream();
  return command.do === 'calls' ? runCalls(command) : runBulk(command);
});
