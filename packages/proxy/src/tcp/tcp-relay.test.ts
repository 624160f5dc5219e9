import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, describe, it } from 'node:test';
import { eventually } from '@weft/testkit';
import { call, readAll, serve } from '../fixture/tcp-fixture.ts';
import type { PipeOwner } from '../transport/byte-pipe.ts';
import { RelayPipe } from './relay-pipe.ts';
import { TcpRelay } from './tcp-relay.ts';

const silentOwner: PipeOwner = { onPipeBytes() {}, onPipeEnd() {}, onPipeDrained() {}, onPipeClose() {} };

/** A pipe that does not read yet, and the peer at its other end. */
async function pipeTo(t: TestContext, owner: Partial<PipeOwner>): Promise<{ pipe: RelayPipe; peer: Socket }> {
  const { server, port } = await serve(() => {});
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = await call(port);
  const [peer] = await accepted;
  t.after(() => {
    socket.destroy();
    peer.destroy();
    server.close();
  });
  return { pipe: new RelayPipe(socket, false, { ...silentOwner, ...owner }), peer };
}

/** A relay with both ends at hand, neither of them given to it yet. */
async function scene(t: TestContext) {
  const relay = new TcpRelay();
  const told: string[] = [];
  const caller = await pipeTo(t, {
    onPipeBytes: (chunk, start, end) => {
      relay.fromCaller(chunk, start, end);
      if (relay.endpoint === null) relay.holdBack();
    },
    onPipeDrained: () => relay.endpoint?.resume(),
  });
  const endpoint = await pipeTo(t, {
    onPipeBytes: (chunk, start, end) => void (relay.fromEndpoint(chunk, start, end) && told.push('speaks first')),
    onPipeEnd: () => {
      told.push('end');
      relay.caller?.end();
    },
    onPipeDrained: () => relay.caller?.resume(),
  });
  return { relay, told, caller, endpoint };
}

describe('bytes between the two ends of a TCP connection', () => {
  it('wait for the endpoint, behind what it is to hear first, and hold back a caller that says much', async (t) => {
    const { relay, caller, endpoint } = await scene(t);
    relay.attach(caller.pipe);
    const sent = Buffer.alloc(4_000_000, 'c');
    caller.peer.end(sent);
    await eventually(() => relay.bufferedBytes >= 65_536, 5_000);
    for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => void setImmediate(resolve));
    const held = relay.bufferedBytes;
    assert.ok(held < 1_000_000, String(held));
    const heard = readAll(endpoint.peer);
    endpoint.pipe.start();
    relay.join(endpoint.pipe, Buffer.from('first'));
    await eventually(() => relay.receivedBytes === sent.length && caller.pipe.readEnded, 5_000);
    endpoint.pipe.end();
    assert.equal((await heard).toString(), `first${sent.toString()}`);
    assert.equal(relay.bufferedBytes, 0);
  });

  it('wait for the caller where the endpoint speaks first, which is said once', async (t) => {
    const { relay, told, caller, endpoint } = await scene(t);
    endpoint.pipe.start();
    relay.join(endpoint.pipe, null);
    endpoint.peer.write('220 ');
    await eventually(() => told.length === 1, 5_000);
    endpoint.peer.end('ready');
    const heard = readAll(caller.peer);
    relay.attach(caller.pipe);
    assert.equal((await heard).toString(), '220 ready');
    assert.deepEqual(told, ['speaks first', 'end']);
    assert.equal(relay.sentBytes, 9);
  });

  it('end for a caller that comes when the endpoint has ended already without a word', async (t) => {
    const { relay, told, caller, endpoint } = await scene(t);
    endpoint.pipe.start();
    relay.join(endpoint.pipe, null);
    endpoint.peer.end();
    await eventually(() => told.length === 1, 5_000);
    const heard = readAll(caller.peer);
    relay.attach(caller.pipe);
    assert.equal((await heard).length, 0);
  });

  it('stop at their source while the other end does not read', async (t) => {
    const { relay, caller, endpoint } = await scene(t);
    endpoint.pipe.start();
    relay.attach(caller.pipe);
    relay.join(endpoint.pipe, null);
    caller.peer.end(Buffer.alloc(64_000_000));
    let last = -1;
    await eventually(() => {
      const still = relay.receivedBytes > 0 && relay.receivedBytes === last && endpoint.pipe.blocked;
      last = relay.receivedBytes;
      return still;
    }, 5_000);
    assert.ok(last < 64_000_000 && relay.bufferedBytes <= 1_000_000, `${last}, ${relay.bufferedBytes}`);
    let heard = 0;
    endpoint.peer.on('data', (chunk: Buffer) => void (heard += chunk.length));
    await eventually(() => heard === 64_000_000, 10_000);
  });
});
