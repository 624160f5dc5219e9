import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { type TestContext, describe, it, mock } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { eventually } from '@weft/testkit';
import { bulkPace } from '../transport/bulk-pace.ts';
import type { Paced } from '../transport/bulk-pace.ts';
import { BULK_BYTES } from './block-pool.ts';
import { RelayPipe } from './relay-pipe.ts';

class Owner {
  readonly pieces: Buffer[] = [];
  ended = 0;
  drained = 0;
  readonly closed: string[] = [];

  onPipeBytes(chunk: Buffer, start: number, end: number): void {
    this.pieces.push(Buffer.from(chunk.subarray(start, end)));
  }
  onPipeEnd(): void {
    this.ended += 1;
  }
  onPipeClose(error: string): void {
    this.closed.push(error);
  }
  onPipeDrained(): void {
    this.drained += 1;
  }
}

/** A pipe on one end of a connection, and the other end. */
async function open(t: TestContext): Promise<{ pipe: RelayPipe; owner: Owner; peer: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  const [peer] = await accepted;
  peer.on('error', () => {});
  t.after(() => {
    socket.destroy();
    peer.destroy();
    server.close();
  });
  const owner = new Owner();
  const pipe = new RelayPipe(socket, false, owner);
  pipe.start();
  return { pipe, owner, peer };
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('an end of an opaque connection', () => {
  it('sends what it is given, cut and gathered anyhow, and keeps no reference to it', async (t) => {
    const seed = 11;
    const random = seededRandom(seed);
    const { pipe, owner, peer } = await open(t);
    const got: Buffer[] = [];
    const sent = createHash('sha256');
    const over = once(peer, 'end');
    peer.on('data', (chunk: Buffer) => void got.push(chunk));
    const scratch = Buffer.alloc(2 * BULK_BYTES);
    for (let round = 0; round < 60; round += 1) {
      const start = Math.floor(random() * 100);
      const bytes = Math.floor(random() ** 4 * (scratch.length - 100)) + 1;
      scratch.fill(Math.floor(random() * 256), start, start + bytes);
      sent.update(scratch.subarray(start, start + bytes));
      pipe.send(scratch, start, start + bytes, random() < 0.5);
      scratch.fill(0);
      if (random() < 0.3) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    pipe.end();
    await over;
    assert.equal(digest(Buffer.concat(got)), sent.digest('hex'), `seed ${seed}`);
    peer.end();
    await eventually(() => owner.closed.length === 1, 2_000);
    assert.deepEqual([owner.ended, owner.closed, pipe.pendingBytes], [1, [''], 0]);
  });

  it('says that it is blocked while its peer does not read, and once when it is not any more', async (t) => {
    const { pipe, owner, peer } = await open(t);
    const block = Buffer.alloc(BULK_BYTES, 1);
    let bytes = 0;
    while (!pipe.blocked) {
      pipe.send(block, 0, block.length, false);
      bytes += block.length;
    }
    assert.ok(pipe.pendingBytes > 0 && pipe.pendingBytes <= block.length);
    assert.equal(owner.drained, 0);
    let read = 0;
    peer.on('data', (chunk: Buffer) => void (read += chunk.length));
    await eventually(() => read === bytes && owner.drained === 1, 5_000);
    assert.deepEqual([pipe.blocked, pipe.pendingBytes], [false, 0]);
  });

  it('reads nothing while it is paused, and all of it after', async (t) => {
    const { pipe, owner, peer } = await open(t);
    pipe.pause();
    peer.end(Buffer.alloc(1_000_000, 7));
    for (let turn = 0; turn < 50; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    const early = owner.pieces.reduce((sum, { length }) => sum + length, 0);
    assert.ok(early <= BULK_BYTES, String(early));
    pipe.resume();
    await eventually(() => owner.ended === 1, 5_000);
    assert.equal(digest(Buffer.concat(owner.pieces)), digest(Buffer.alloc(1_000_000, 7)));
  });

  it('that is reset gives its peer an error and its owner one end', async (t) => {
    const { pipe, owner, peer } = await open(t);
    const failed = new Promise<boolean>((resolve) => void peer.once('close', resolve));
    peer.resume();
    pipe.send(Buffer.from('part'), 0, 4, true);
    pipe.reset();
    assert.equal(await failed, true);
    await eventually(() => owner.closed.length === 1, 2_000);
    pipe.send(Buffer.from('late'), 0, 4, false);
    assert.equal(pipe.pendingBytes, 0);
  });
});

describe('opaque bulk beside small calls', () => {
  it('reads little and rests after each share, and goes on with nothing lost', async (t) => {
    const waiting: Paced[] = [];
    const yields = mock.method(bulkPace, 'yield', (bulk: Paced) => void waiting.push(bulk));
    const { pipe, owner, peer } = await open(t);
    bulkPace.smallsAbout = true;
    bulkPace.shareBytes = 65_536;
    t.after(() => {
      yields.mock.restore();
      bulkPace.smallsAbout = false;
      bulkPace.shareBytes = BULK_BYTES;
    });
    const bytes = 1_000_000;
    peer.end(Buffer.alloc(bytes, 3));
    const read = (): number => owner.pieces.reduce((sum, { length }) => sum + length, 0);
    for (let rests = 1; owner.ended === 0; rests += 1) {
      await eventually(() => waiting.length > 0 || owner.ended > 0, 5_000);
      const before = read();
      for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
      if (owner.ended > 0) break;
      assert.equal(read(), before);
      // Of the first read nothing was known yet.
      if (rests > 1) assert.ok(before <= BULK_BYTES + (rests - 1) * 131_072, `${before} after ${rests}`);
      assert.deepEqual(waiting, [pipe]);
      waiting.length = 0;
      // A pause while it rests is one when the rest is over.
      if (rests === 2) {
        pipe.pause();
        pipe.readOn();
        pipe.resume();
      } else pipe.readOn();
    }
    assert.equal(digest(Buffer.concat(owner.pieces)), digest(Buffer.alloc(bytes, 3)));
    assert.ok(yields.mock.callCount() >= 8, String(yields.mock.callCount()));
  });

  it('is told from a message, which others are to make room for', async (t) => {
    const counted = mock.method(bulkPace, 'countSmall');
    const { pipe, owner, peer } = await open(t);
    peer.resume();
    const hear = async (bytes: number): Promise<void> => {
      const wanted = owner.pieces.length;
      peer.write(Buffer.alloc(bytes));
      await eventually(() => owner.pieces.length > wanted, 5_000);
    };
    for (const expected of [0, 0, 0, 1, 2]) {
      await hear(100);
      assert.equal(counted.mock.callCount(), expected);
    }
    // Bulk that is sent, and what is said back of it.
    for (let piece = 0; piece < 6; piece += 1) {
      pipe.send(Buffer.alloc(65_536), 0, 65_536, false);
      await hear(13);
    }
    assert.equal(counted.mock.callCount(), 2);
    for (const expected of [2, 2, 2, 3]) {
      await hear(13);
      assert.equal(counted.mock.callCount(), expected);
    }
    counted.mock.restore();
  });
});
