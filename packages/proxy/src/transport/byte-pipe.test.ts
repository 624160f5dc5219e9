import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { connect, createServer as createPlainServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, describe, it, mock } from 'node:test';
import { http2MeshLimits } from '@weft/http';
import { ByteWriter, seededRandom } from '@weft/kernel';
import type { Random } from '@weft/kernel';
import { eventually } from '@weft/testkit';
import { SidecarPair } from '../fixture/mesh-fixture.ts';
import { PlaneFixture, plainEndpoint, routeRule } from '../fixture/plane-fixture.ts';
import { bulkPace } from './bulk-pace.ts';
import { BytePipe } from './byte-pipe.ts';
import type { PipeOwner } from './byte-pipe.ts';
import { turnPace } from './turn-pace.ts';

const MIB = 1 << 20;

/** Answers every request with its own body, and with the hash of it. */
function echo(): Promise<Server> {
  const server = createServer((incoming, response) => {
    if (incoming.url === '/hash') {
      const hash = createHash('sha256');
      incoming.on('data', (chunk: Buffer) => hash.update(chunk));
      incoming.on('end', () => response.end(hash.digest('hex')));
    } else incoming.pipe(response);
  });
  server.listen(0, '127.0.0.1');
  return once(server, 'listening').then(() => server);
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Sends `body` in pieces of random sizes, with a length or chunked, and gives the answer. */
function call(port: number, agent: Agent, path: string, body: Buffer, random: Random, known: boolean): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string | number> = { host: 'orders' };
    if (known) headers['content-length'] = body.length;
    const outgoing = request({ port, host: '127.0.0.1', method: 'PUT', path, headers, agent }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => parts.push(chunk));
      answer.on('end', () => {
        const whole = Buffer.concat(parts);
        if (answer.statusCode === 200) resolve(whole);
        else reject(new Error(`${answer.statusCode}: ${whole.toString('latin1').slice(0, 200)}`));
      });
      answer.on('error', reject);
    });
    outgoing.on('error', reject);
    let at = 0;
    const more = (): void => {
      while (at < body.length) {
        const size = 1 + Math.floor(random() ** 3 * 200_000);
        const piece = body.subarray(at, at + size);
        at += piece.length;
        if (!outgoing.write(piece)) {
          outgoing.once('drain', more);
          return;
        }
      }
      outgoing.end();
    };
    more();
  });
}

for (const transport of ['plaintext', 'mutual TLS'] as const) {
  describe(`bytes over ${transport}`, () => {
    let application: Server;
    let port: number;
    let close: () => void;
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });

    before(async () => {
      application = await echo();
      if (transport === 'plaintext') {
        const fixture = new PlaneFixture();
        fixture.serveOrders([plainEndpoint(portOf(application))]);
        ({ port } = await fixture.listen());
        close = () => fixture.close();
      } else {
        const pair = await SidecarPair.start(portOf(application));
        ({ port } = await pair.web.listen());
        close = () => pair.close();
      }
    });
    after(() => {
      agent.destroy();
      close();
      application.close();
      application.closeAllConnections();
    });

    it('come out as they went in: 24 MiB each way at once, in random pieces', async () => {
      const random = seededRandom(11);
      const body = randomBytes(24 * MIB);
      const wanted = createHash('sha256').update(body).digest('hex');
      for (const known of [true, false]) {
        const [hash, back] = await Promise.all([
          call(port, agent, '/hash', body, random, known),
          call(port, agent, '/echo', body, random, known),
        ]);
        assert.equal(hash.toString(), wanted);
        assert.equal(createHash('sha256').update(back).digest('hex'), wanted);
      }
    });

    it('come out as they went in: 1,500 requests of random sizes on 32 connections', async () => {
      const seed = 20_261;
      const random = seededRandom(seed);
      const source = randomBytes(MIB);
      const jobs = Array.from({ length: 1_500 }, () => {
        const size = Math.floor(random() ** 6 * 400_000);
        const start = Math.floor(random() * (source.length - size));
        return { body: source.subarray(start, start + size), known: random() < 0.5 };
      });
      let wrong = 0;
      await Promise.all(
        Array.from({ length: 32 }, async () => {
          for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) {
            const back = await call(port, agent, '/echo', job.body, random, job.known);
            if (!back.equals(job.body)) wrong += 1;
          }
        }),
      );
      assert.equal(wrong, 0, `seed ${seed}`);
    });
  });
}

/**
 * What one direction of one exchange may hold in this process: unsent bytes up to the high-water mark (64 KiB), one read
 * (64 KiB) that came before the source was told to stop, and the framing around it.
 */
const HELD_BYTES = 3 * 65_536;

/** And what the other sidecar was allowed to send before it heard that the reader has stopped: a window, as far as it may grow. */
const WINDOW_BYTES = http2MeshLimits.maxStreamWindowBytes;

describe('a peer that always has more', () => {
  it('is read 256 KiB in a turn and a read more, and goes on in the next', async () => {
    const total = 8 * MIB;
    let received = 0;
    let sinceTurn = 0;
    let most = 0;
    const { promise: connected, resolve: ready } = Promise.withResolvers<void>();
    const listening = createPlainServer((socket) => {
      const pipe = new BytePipe(socket, false, {
        onPipeBytes: (_chunk, start, end) => {
          received += end - start;
          sinceTurn += end - start;
          most = Math.max(most, sinceTurn);
        },
        onPipeEnd: () => pipe.end(),
        onPipeDrained: () => {},
        onPipeClose: () => {},
      });
      void connected.then(() => setImmediate(() => pipe.start()));
    });
    await once(listening.listen(0, '127.0.0.1'), 'listening');
    const client = connect({ port: (listening.address() as AddressInfo).port, host: '127.0.0.1' });
    client.write(Buffer.alloc(total));
    // What the system's buffers take is there before the first byte is read.
    client.once('connect', ready);
    let turning = true;
    const turn = (): void => {
      sinceTurn = 0;
      if (turning) setImmediate(turn);
    };
    turn();
    try {
      await eventually(() => received === total, 10_000);
      assert.ok(most <= 256 * 1024 + 65_536, `${most} bytes in one turn`);
    } finally {
      turning = false;
      client.destroy();
      listening.close();
    }
  });
});

describe('what counts as small', () => {
  it('is a message, not a piece of bulk nor the credit that comes back for it', async () => {
    const counted = mock.method(bulkPace, 'countSmall');
    const listening = createPlainServer();
    await once(listening.listen(0, '127.0.0.1'), 'listening');
    const client = connect({ port: (listening.address() as AddressInfo).port, host: '127.0.0.1' });
    const [[peer]] = (await Promise.all([once(listening, 'connection'), once(client, 'connect')])) as [
      [Socket],
      unknown,
    ];
    let received = 0;
    const pipe = new BytePipe(client, false, {
      ...silentOwner,
      onPipeBytes: (_chunk, start, end) => void (received += end - start),
    });
    peer.resume();
    pipe.start();
    const hear = async (bytes: number): Promise<void> => {
      const wanted = received + bytes;
      peer.write(Buffer.alloc(bytes));
      await eventually(() => received === wanted, 5_000);
    };
    try {
      await hear(100);
      await hear(100);
      assert.equal(counted.mock.callCount(), 2);
      // Bulk that we send, and what is said back of it.
      for (let piece = 0; piece < 5; piece += 1) {
        pipe.send(Buffer.alloc(65_536), 0, 65_536);
        await hear(13);
      }
      assert.equal(counted.mock.callCount(), 2);
      await hear(100);
      assert.equal(counted.mock.callCount(), 3);
    } finally {
      counted.mock.restore();
      client.destroy();
      peer.destroy();
      listening.close();
    }
  });
});

describe('a slow peer', () => {
  for (const slow of ['reader', 'application'] as const) {
    it(`that is the ${slow} holds 64 MiB back instead of filling memory`, async () => {
      const total = 64 * MIB;
      const piece = Buffer.alloc(MIB, 'x');
      let sent = 0;
      let paused: IncomingMessage | null = null;
      const application = createServer((incoming, response) => {
        if (slow === 'application') {
          paused = incoming;
          incoming.on('end', () => response.end('ok'));
          return;
        }
        response.writeHead(200, { 'content-length': total });
        const more = (): void => {
          while (sent < total) {
            sent += piece.length;
            if (!response.write(piece)) {
              response.once('drain', more);
              return;
            }
          }
          response.end();
        };
        more();
      });
      application.listen(0, '127.0.0.1');
      await once(application, 'listening');
      const pair = await SidecarPair.start(portOf(application));
      pair.web.serveOrders([pair.endpoint()], { retries: { ...routeRule().retries, bodyLimitBytes: 65_536 } });
      const { port } = await pair.web.listen();
      const client = connect({ port, host: '127.0.0.1' });
      let received = 0;
      const arrayBytesBefore = process.memoryUsage().arrayBuffers;
      try {
        await once(client, 'connect');
        if (slow === 'reader') client.write('GET / HTTP/1.1\r\nHost: orders\r\n\r\n');
        else {
          client.write(`PUT / HTTP/1.1\r\nHost: orders\r\nContent-Length: ${total}\r\n\r\n`);
          const more = (): void => {
            while (sent < total) {
              sent += piece.length;
              if (!client.write(piece)) {
                client.once('drain', more);
                return;
              }
            }
          };
          more();
        }
        // Until nothing moves any more: each side has sent what the system's buffers take.
        let last = -1;
        let lastMoved = -1;
        await eventually(() => {
          const moved = pair.web.plane.nowMs;
          const still = sent === last && moved === lastMoved && sent > 0;
          last = sent;
          lastMoved = moved;
          return still;
        }, 10_000);
        const held = pair.web.bufferedBytes() + pair.orders.bufferedBytes() + pair.inboundBufferedBytes();
        // What the platform holds for all four ends of this process, test programs included.
        const grownBytes = process.memoryUsage().arrayBuffers - arrayBytesBefore;
        assert.ok(grownBytes < 24 * MIB, `${grownBytes} bytes of buffers`);
        // Two proxies, one direction each.
        assert.ok(held <= 2 * HELD_BYTES + WINDOW_BYTES, `${held} bytes are held`);
        assert.ok(sent < total, 'the source was never held back');
        // And it flows again once the slow one reads.
        client.on('data', (chunk: Buffer) => void (received += chunk.length));
        if (slow === 'application') {
          await eventually(() => paused !== null, 2_000);
          (paused as IncomingMessage | null)!.resume();
          await eventually(() => received > 0, 20_000);
        } else await eventually(() => received > 32 * MIB, 20_000);
      } finally {
        client.destroy();
        pair.close();
        application.close();
        application.closeAllConnections();
      }
    });
  }
});

describe('bulk to a plain socket', () => {
  it('is gathered in the same few blocks, whether the kernel takes it at once or keeps it', async () => {
    const piece = Buffer.alloc(16_384, 'b');
    const pieces = 4_000;
    let received = 0;
    const { promise: accepted, resolve: accept } = Promise.withResolvers<Socket>();
    const listening = createPlainServer((socket) => {
      socket.on('data', (chunk: Buffer) => void (received += chunk.length));
      accept(socket);
    });
    await once(listening.listen(0, '127.0.0.1'), 'listening');
    const client = connect({ port: (listening.address() as AddressInfo).port, host: '127.0.0.1' });
    await once(client, 'connect');
    const reader = await accepted;
    reader.pause();
    let kept = 0;
    const pipe: BytePipe = new BytePipe(client, false, {
      ...silentOwner,
      onPipeDrained: () => {
        kept += 1;
        reader.pause();
        more();
      },
    });
    let sent = 0;
    const more = (): void => {
      // As the codec delivers a read of 64 KiB.
      for (let count = 0; count < 4 && sent < pieces && !pipe.blocked; count += 1) {
        pipe.send(piece, 0, piece.length);
        sent += 1;
      }
      if (pipe.blocked || sent === pieces) reader.resume();
      else setImmediate(more);
    };
    const allocated = mock.method(Buffer, 'allocUnsafeSlow');
    try {
      more();
      await eventually(() => received === pieces * piece.length, 10_000);
      assert.ok(kept > 5, `the kernel kept ${kept} writes`);
      assert.ok(allocated.mock.callCount() <= 8, `${allocated.mock.callCount()} buffers for ${pieces} pieces`);
    } finally {
      allocated.mock.restore();
      client.destroy();
      listening.close();
    }
  });
});

describe('output of a source', () => {
  const cases = [
    { what: 'little of it on a connection of several streams', bytes: 100, shared: true, encrypted: false, writes: 1 },
    { what: 'little of it on a connection of one stream', bytes: 100, shared: false, encrypted: false, writes: 2 },
    { what: 'little of it on one of one stream with TLS', bytes: 100, shared: false, encrypted: true, writes: 1 },
    { what: 'much of it', bytes: 1_000, shared: true, encrypted: false, writes: 2 },
    { what: 'much of it with TLS', bytes: 4_000, shared: true, encrypted: true, writes: 2 },
  ];
  for (const { what, bytes, shared, encrypted, writes } of cases) {
    it(`${what}, made twice in a turn of the loop, is sent in ${writes === 1 ? 'one write' : 'two writes'}`, async () => {
      let received = 0;
      const listening = createPlainServer((socket) =>
        socket.on('data', (chunk: Buffer) => void (received += chunk.length)),
      );
      await once(listening.listen(0, '127.0.0.1'), 'listening');
      const client = connect({ port: (listening.address() as AddressInfo).port, host: '127.0.0.1' });
      await once(client, 'connect');
      const pipe = new BytePipe(client, encrypted, silentOwner);
      let taken = 0;
      const output = new ByteWriter(4_096);
      pipe.source = {
        output,
        shared,
        onPipeTook: () => {
          taken += 1;
          output.reset();
        },
      };
      const speak = (): void => {
        output.copy(Buffer.alloc(bytes), 0, bytes);
        pipe.signal();
      };
      try {
        // From an immediate, so that what waits for the end of the turn of the loop has a whole turn before it.
        await new Promise<void>((resolve) => {
          setImmediate(() => {
            speak();
            void Promise.resolve()
              .then(() => Promise.resolve())
              .then(speak)
              .then(resolve);
          });
        });
        await eventually(() => received === 2 * bytes, 5_000);
        assert.equal(taken, writes);
      } finally {
        client.destroy();
        listening.close();
      }
    });
  }
});

describe('the turn of the loop', () => {
  it('ends with a pause, where it is to, behind all that was to be written', async () => {
    let received = 0;
    const listening = createPlainServer((socket) => {
      socket.on('data', (chunk: Buffer) => void (received += chunk.length));
      socket.write('now');
    });
    await once(listening.listen(0, '127.0.0.1'), 'listening');
    const client = connect({ port: (listening.address() as AddressInfo).port, host: '127.0.0.1' });
    await once(client, 'connect');
    const output = new ByteWriter(4_096);
    const pipe: BytePipe = new BytePipe(client, false, {
      ...silentOwner,
      onPipeBytes: () => {
        output.copy(Buffer.alloc(100), 0, 100);
        pipe.signal();
      },
    });
    let writtenBefore = -1;
    pipe.source = { output, shared: true, onPipeTook: () => output.reset() };
    const rest = mock.method(turnPace, 'rest', () => {
      if (writtenBefore < 0) writtenBefore = pipe.bytesWritten;
      turnPace.pausing = false;
    });
    turnPace.pausing = true;
    try {
      pipe.start();
      await eventually(() => received === 100, 5_000);
      assert.equal(rest.mock.callCount(), 1);
      assert.equal(writtenBefore, 100);
    } finally {
      rest.mock.restore();
      turnPace.pausing = false;
      client.destroy();
      listening.close();
    }
  });
});

const silentOwner: PipeOwner = { onPipeBytes() {}, onPipeEnd() {}, onPipeDrained() {}, onPipeClose() {} };
