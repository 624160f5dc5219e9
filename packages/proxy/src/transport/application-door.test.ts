import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Server, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, it } from 'node:test';
import { capturedDoor, doorAt, openApplication } from './application-door.ts';

const outside = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

describe('the ways to an application', () => {
  const servers: Server[] = [];

  async function listen(host: string, port = 0): Promise<number> {
    const server = createServer((socket) => socket.end(`${host} from ${socket.remoteAddress}`));
    servers.push(server);
    await once(server.listen(port, host), 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function ask(door: Parameters<typeof openApplication>[0]): Promise<string> {
    const socket = await openApplication(door, 2_000);
    let text = '';
    for await (const chunk of socket.setEncoding('utf8')) text += String(chunk);
    return text;
  }

  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  it(
    'begin with an address of this machine that is no loopback, called from loopback',
    { skip: outside === undefined },
    async () => {
      const port = await listen(outside!);
      const door = capturedDoor(outside!, '127.0.0.1', port);
      assert.equal(await ask(door), `${outside} from 127.0.0.6`);
      await listen('127.0.0.1', port);
      assert.equal(await ask(door), `${outside} from 127.0.0.6`);
    },
  );

  it(
    'end with loopback, which is remembered, until it refuses in its turn',
    { skip: outside === undefined },
    async () => {
      const port = await listen('127.0.0.1');
      const door = capturedDoor(outside!, '127.0.0.1', port);
      assert.equal(await ask(door), '127.0.0.1 from 127.0.0.1');
      assert.equal(door.ways[0]?.address, '127.0.0.1');
      servers.pop()!.close();
      await listen(outside!, port);
      assert.equal(await ask(door), `${outside} from 127.0.0.6`);
      assert.equal(door.ways[0]?.address, outside);
      assert.deepEqual(
        door.ways.map(({ address }) => address).sort(),
        capturedDoor(outside!, '127.0.0.1', port)
          .ways.map(({ address }) => address)
          .sort(),
      );
    },
  );

  it('are none by an address that this machine does not have: that would lead away', () => {
    const own = capturedDoor('203.0.113.9', '127.0.0.1', 80).ways;
    assert.ok(!own.some(({ address }) => address === '203.0.113.9'));
    const silent = own.findIndex(({ limitMs }) => limitMs > 0);
    const [before, after] = silent < 0 ? [own, []] : [own.slice(0, silent), own.slice(silent)];
    assert.deepEqual(before.slice(-2), [
      { address: '127.0.0.1', from: '', limitMs: 0 },
      { address: '::1', from: '', limitMs: 0 },
    ]);
    assert.ok(before.slice(0, -2).every(({ from, address }) => from === '127.0.0.6' && !address.includes(':')));
    assert.ok(after.every(({ from, address }) => from === '::1' && address.includes(':')));
  });

  it('are one where the application was told to be, called from wherever the kernel says', () => {
    assert.deepEqual(doorAt('203.0.113.9', 80).ways, [{ address: '203.0.113.9', from: '', limitMs: 0 }]);
  });

  it('fail with the refusal of the first of them', async () => {
    const port = await listen('127.0.0.1');
    servers.pop()!.close();
    await assert.rejects(openApplication(capturedDoor('127.0.0.1', '127.0.0.1', port), 2_000), {
      code: 'ECONNREFUSED',
    });
  });
});
