import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { http2Defaults } from './limits.ts';
import { ReceiveCredit } from './receive-credit.ts';
import { Http2Stream } from './stream/stream.ts';
import type { Http2StreamOwner, Http2StreamSink } from './stream/stream.ts';

const KIB = 1024;

/** 4 windows of streams may be held, and the window of the connection is two of them. */
const limits = {
  ...http2Defaults,
  streamWindowBytes: 256 * KIB,
  connectionWindowBytes: 512 * KIB,
  maxStreamWindowBytes: 1024 * KIB,
  heldBytes: 1024 * KIB,
};

let lastId = -1;

function birth(credit: ReceiveCredit): Http2Stream {
  lastId += 2;
  const { initialBytes } = credit;
  return new Http2Stream({} as Http2StreamOwner, lastId, {} as Http2StreamSink, 65_535, initialBytes, initialBytes);
}

/** What the peer sends of `bytes`, as far as both windows let it; the connection's credit goes back as it comes. */
function arrive(credit: ReceiveCredit, stream: Http2Stream, bytes: number, connection: { window: number }): number {
  let sent = 0;
  while (sent < bytes) {
    const piece = Math.min(16 * KIB, bytes - sent, stream.receiveWindow, connection.window);
    if (piece <= 0) break;
    assert.ok(credit.take(piece));
    stream.receiveWindow -= piece;
    connection.window -= piece;
    credit.hold(stream, piece);
    connection.window += credit.due();
    sent += piece;
  }
  return sent;
}

/** The peer sends and the reader reads at once: what arrived of `bytes`. */
function flow(credit: ReceiveCredit, stream: Http2Stream, bytes: number, connection: { window: number }): number {
  let flowed = 0;
  while (flowed < bytes) {
    const came = arrive(credit, stream, 16 * KIB, connection);
    if (came === 0) break;
    credit.grant(stream, came);
    credit.dueFor(stream);
    connection.window += credit.due();
    flowed += came;
  }
  return flowed;
}

describe('credit of a connection', () => {
  test('goes on for who reads when others hold more than may be held, as far as its own window', () => {
    const credit = new ReceiveCredit(limits);
    const connection = { window: limits.connectionWindowBytes };
    const slow = Array.from({ length: 5 }, () => birth(credit));
    for (const stream of slow) assert.equal(arrive(credit, stream, 1024 * KIB, connection), 256 * KIB);
    assert.equal(flow(credit, birth(credit), 10_240 * KIB, connection), 10_240 * KIB);
  });

  test('ends where what is held and what may come are what may be held and a window, and returns when they are read', () => {
    const credit = new ReceiveCredit(limits);
    const connection = { window: limits.connectionWindowBytes };
    const slow = Array.from({ length: 20 }, () => birth(credit));
    const came = slow.reduce((sum, stream) => sum + arrive(credit, stream, 1024 * KIB, connection), 0);
    const bound = limits.heldBytes + limits.connectionWindowBytes;
    assert.ok(came <= bound && came > bound - limits.connectionWindowBytes / 2, `${came}`);
    const quick = birth(credit);
    flow(credit, quick, 1024 * KIB, connection);
    assert.equal(arrive(credit, quick, 16 * KIB, connection), 0);
    for (const stream of slow) {
      credit.grant(stream, stream.heldBytes);
      connection.window += credit.due();
    }
    assert.equal(connection.window, limits.connectionWindowBytes);
  });
});

describe('a connection is strained', () => {
  test('as soon as readers that have stopped may come to hold all that may be held', () => {
    const credit = new ReceiveCredit(limits);
    const slow = Array.from({ length: 5 }, () => birth(credit));
    for (const stream of slow.slice(0, 4)) credit.hold(stream, 1);
    assert.equal(credit.strained, false);
    credit.hold(slow[4]!, 1);
    assert.equal(credit.strained, true);
    credit.grant(slow[0]!, 1);
    assert.equal(credit.strained, false);
  });

  test('not by messages that are whole, nor by streams that have gone', () => {
    const credit = new ReceiveCredit(limits);
    const whole = Array.from({ length: 100 }, () => birth(credit));
    for (const stream of whole) {
      credit.hold(stream, 10);
      credit.end(stream);
      stream.remoteEnded = true;
    }
    assert.equal(credit.strained, false);
    const gone = Array.from({ length: 100 }, () => birth(credit));
    for (const stream of gone) {
      credit.hold(stream, 10);
      credit.forget(stream);
    }
    assert.equal(credit.strained, false);
    for (const stream of whole) credit.grant(stream, 10);
    const slow = Array.from({ length: 5 }, () => birth(credit));
    for (const stream of slow) credit.hold(stream, 1);
    assert.equal(credit.strained, true, 'counted right after all of it');
  });

  test('by smaller windows later, where the peer has acknowledged smaller ones', () => {
    const small = { ...limits, streamWindowBytes: 16 * KIB, heldBytes: 64 * KIB };
    const credit = new ReceiveCredit(small);
    const early = [birth(credit), birth(credit)];
    assert.equal(early[0]!.receiveWindow, 65_535);
    for (const stream of early) credit.hold(stream, 1);
    assert.equal(credit.strained, true);
    assert.equal(credit.acknowledge(early), true);
    assert.equal(early[0]!.receiveWindow, 16 * KIB);
    assert.equal(credit.strained, false);
    assert.equal(credit.initialBytes, 16 * KIB);
    assert.equal(credit.acknowledge(early), false);
  });
});

describe('windows of streams', () => {
  /** A path on which the largest window is of use. */
  function grownCredit(): ReceiveCredit {
    const credit = new ReceiveCredit(limits);
    for (let nowMs = 0; nowMs < 1_000; nowMs += 10) {
      credit.growth.onData(credit.growth.windowBytes / 2, nowMs);
      credit.growth.onData(credit.growth.windowBytes, nowMs + 1);
      credit.growth.onAck(nowMs + 9);
    }
    assert.equal(credit.growth.windowBytes, limits.maxStreamWindowBytes);
    return credit;
  }

  test('grow by no more together than may be held, and leave what they grew by to others', () => {
    const credit = grownCredit();
    credit.grow();
    const connection = { window: limits.connectionWindowBytes };
    const streams = Array.from({ length: 10 }, () => birth(credit));
    for (const stream of streams) flow(credit, stream, 1024 * KIB, connection);
    const grown = (all: readonly Http2Stream[]): number =>
      all.reduce((sum, each) => sum + each.windowBytes - 256 * KIB, 0);
    assert.equal(grown(streams), limits.heldBytes);
    assert.equal(streams[0]!.windowBytes, limits.maxStreamWindowBytes);
    credit.forget(streams[0]!);
    for (const stream of streams.slice(1)) flow(credit, stream, 1024 * KIB, connection);
    assert.equal(grown(streams.slice(1)), limits.heldBytes);
  });

  test('that grow under a reader that holds something count as large as they are', () => {
    const credit = grownCredit();
    const connection = { window: limits.connectionWindowBytes };
    const slow = birth(credit);
    assert.equal(arrive(credit, slow, 200 * KIB, connection), 200 * KIB);
    credit.grant(slow, 150 * KIB);
    credit.dueFor(slow);
    assert.equal(slow.windowBytes, limits.maxStreamWindowBytes);
    const another = birth(credit);
    credit.hold(another, 1);
    assert.equal(credit.strained, true);
    credit.grant(another, 1);
    assert.equal(credit.strained, false);
  });

  test('and that of the connection do not grow while a quarter of what may be held is', () => {
    const credit = grownCredit();
    const stream = birth(credit);
    assert.ok(credit.take(300 * KIB));
    credit.hold(stream, 300 * KIB);
    credit.grow();
    assert.equal(credit.due(), 300 * KIB);
    credit.grant(stream, 300 * KIB);
    credit.grow();
    assert.ok(credit.take(300 * KIB));
    assert.equal(credit.due(), 4 * limits.maxStreamWindowBytes - limits.connectionWindowBytes + 300 * KIB);
  });

  test('do not grow while a quarter of what may be held is', () => {
    const credit = grownCredit();
    const connection = { window: limits.connectionWindowBytes };
    const slow = [birth(credit), birth(credit)];
    for (const stream of slow) arrive(credit, stream, 200 * KIB, connection);
    const quick = birth(credit);
    flow(credit, quick, 1024 * KIB, connection);
    assert.equal(quick.windowBytes, 256 * KIB);
  });
});
