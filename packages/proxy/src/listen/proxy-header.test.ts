import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { PROXY_HEADER_MAX_BYTES, writeProxyHeader } from '@weft/sniff';
import { FakeClock } from '@weft/testkit';
import type { Engine } from '../exchange/engine.ts';
import { clientAddressOf, takeProxyHeader } from './proxy-header.ts';

/** As much of a socket as is used of one; what it does is told byte by byte. */
class ScriptedSocket extends EventEmitter {
  readonly remoteAddress = '::ffff:10.0.0.1';
  rest: Buffer = Buffer.alloc(0);
  paused = false;

  pause(): void {
    this.paused = true;
  }

  unshift(bytes: Buffer): void {
    this.rest = Buffer.from(bytes);
  }
}

/** Feeds the pieces until one settles it. `refused` is undefined while nothing, '' when the header was taken. */
function take(pieces: readonly Buffer[]) {
  const clock = new FakeClock({ startMs: 0 });
  const socket = new ScriptedSocket();
  const outcomes: string[] = [];
  const engine = { wheel: clock.wheel() } as unknown as Engine;
  takeProxyHeader(
    socket as unknown as Socket,
    engine,
    () => outcomes.push('taken'),
    (detail) => outcomes.push(detail),
  );
  let fed = 0;
  for (const piece of pieces) {
    if (socket.listenerCount('data') === 0) break;
    socket.emit('data', piece);
    fed += piece.length;
  }
  return { clock, socket, outcomes, fed };
}

const ends = [
  { address: '192.0.2.7', port: 40_000 },
  { address: '198.51.100.1', port: 443 },
] as const;
const headers: [string, string, Buffer][] = [
  ['of IPv4', '192.0.2.7', writeProxyHeader(...ends)],
  [
    'of IPv6',
    '2001:db8::7',
    writeProxyHeader({ address: '2001:db8::7', port: 1 }, { address: '2001:db8::1', port: 2 }),
  ],
];

describe('a PROXY header before a connection', () => {
  for (const [name, client, header] of headers) {
    it(`${name} is taken off at any split, and what follows stays`, () => {
      const bytes = Buffer.concat([header, Buffer.from('GET / HTTP/1.1')]);
      for (let split = 1; split < bytes.length; split += 1) {
        const { socket, outcomes, fed } = take([bytes.subarray(0, split), bytes.subarray(split)]);
        assert.deepEqual(outcomes, ['taken']);
        assert.equal(clientAddressOf(socket as unknown as Socket), client);
        assert.equal(socket.rest.toString(), bytes.subarray(header.length, fed).toString());
        assert.ok(socket.paused);
        assert.equal(socket.listenerCount('end') + socket.listenerCount('close') + socket.listenerCount('data'), 0);
      }
      assert.deepEqual(take(Array.from(header, (byte) => Buffer.from([byte]))).outcomes, ['taken']);
    });

    it(`${name} with any bit turned is taken, refused or awaited, once, and never throws`, () => {
      for (let index = 0; index < header.length; index += 1) {
        for (let bit = 0; bit < 8; bit += 1) {
          const bytes = Buffer.from(header);
          bytes[index]! ^= 1 << bit;
          const { outcomes } = take(Array.from(bytes, (byte) => Buffer.from([byte])));
          assert.ok(outcomes.length <= 1, outcomes.join());
        }
      }
    });
  }

  it('that never ends is refused within bounds', () => {
    const endless = Array.from({ length: 4 * PROXY_HEADER_MAX_BYTES }, () => Buffer.from('x'));
    const starts = [Buffer.from('PROXY TCP4 '), headers[0]![2].subarray(0, 13)];
    for (const start of starts) {
      const { outcomes, fed } = take([start, ...endless]);
      assert.equal(outcomes.length, 1);
      assert.notEqual(outcomes[0], 'taken');
      assert.ok(fed <= PROXY_HEADER_MAX_BYTES, String(fed));
    }
  });

  it('that does not come is waited for 5 s; a peer that leaves is told from one that is silent', async () => {
    const silent = take([headers[0]![2].subarray(0, 5)]);
    await silent.clock.advanceSettled(4_900);
    assert.deepEqual(silent.outcomes, []);
    await silent.clock.advanceSettled(200);
    assert.deepEqual(silent.outcomes, ['no-header']);
    const left = take([]);
    left.socket.emit('end');
    left.socket.emit('close');
    assert.deepEqual(left.outcomes, ['closed-before-header']);
    assert.equal(clientAddressOf(left.socket as unknown as Socket), '10.0.0.1');
  });
});
