/** Run by bytes-driver.ts: bytes to an upstream that sends them back. Upstream and client share a process, hence a processor. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { answerLines } from '../line-program.ts';
import type { BytesCommand, BytesReply } from './bytes-driver.ts';

const CHUNK = Buffer.alloc(64 * 1024, 'b');
/** Under way on one connection: more than the path holds, so that the proxy is never without work. */
const UNDER_WAY_BYTES = 1024 * 1024;
const READ_BYTES = 256 * 1024;

function startUpstream(): Promise<BytesReply> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as AddressInfo).port }));
  });
}

async function runEcho({ port, connections, seconds }: Extract<BytesCommand, { do: 'echo' }>): Promise<BytesReply> {
  let bytes = 0;
  let errors = 0;
  const state = { running: true };
  const sockets: Socket[] = [];
  for (let index = 0; index < connections; index += 1) {
    let underWay = 0;
    const send = (): void => {
      while (state.running && underWay + CHUNK.length <= UNDER_WAY_BYTES) {
        underWay += CHUNK.length;
        socket.write(CHUNK);
      }
    };
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      // One buffer for all reads: what came is counted, not kept.
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BYTES),
        callback: (length) => {
          bytes += length;
          underWay -= length;
          send();
          return true;
        },
      },
    });
    socket.once('connect', send);
    socket.once('error', () => void (state.running && (errors += 1)));
    socket.once('close', () => void (state.running && (errors += 1)));
    sockets.push(socket);
  }
  // Not counted: connecting, and what fills the way.
  await sleep(200);
  const before = bytes;
  const startMs = performance.now();
  await sleep(seconds * 1_000);
  const counted = bytes - before;
  const took = (performance.now() - startMs) / 1_000;
  state.running = false;
  for (const socket of sockets) socket.destroy();
  return { bytes: counted, errors, seconds: took };
}

await answerLines<BytesCommand>((command) => (command.do === 'upstream' ? startUpstream() : runEcho(command)));
