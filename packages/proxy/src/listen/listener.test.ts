import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Server } from 'node:net';
import { FakeClock, ScriptedPeer, ScriptedServer, eventually } from '@weft/testkit';
import { frame, opening } from '../fixture/http2-bytes.ts';
import { PlaneFixture, plainEndpoint } from '../fixture/plane-fixture.ts';

const GET = 'GET /a HTTP/1.1\r\nHost: orders\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('a listener', () => {
  it('leaves new connections of an address unread for a second after a flood, and then serves them', async () => {
    const clock = new FakeClock();
    const fixture = new PlaneFixture({ clock, wheel: clock.wheel(), floodHoldMs: 1_000 });
    const application = await ScriptedServer.listen();
    fixture.serveOrders([plainEndpoint(application.port)]);
    const listener = await fixture.listen();
    const known = await ScriptedPeer.connect(listener.port);
    const clients = [known];
    const call = async (client: ScriptedPeer): Promise<void> => {
      await client.send(GET);
      const peer = await application.accept();
      await peer.receive('\r\n\r\n');
      await peer.send(OK.replace('Length: 2', 'Length: 2\r\nConnection: close'));
      await client.receive('ok');
    };
    try {
      await call(known);
      const offender = await ScriptedPeer.connect(listener.port);
      clients.push(offender);
      await offender.send(Buffer.concat([opening, ...Array.from({ length: 100 }, () => frame(4, 0, 0))]));
      await eventually(() => fixture.floods.length === 1, 2_000);
      assert.deepEqual(fixture.floods, [{ address: '127.0.0.1', holdMs: 1_000 }]);
      const next = await ScriptedPeer.connect(listener.port);
      clients.push(next);
      await eventually(() => fixture.heldConnections === 1, 2_000);
      await clock.advanceSettled(500);
      // One that was open before is served as ever.
      await call(known);
      await eventually(() => listener.openCount === 1, 2_000);
      await clock.advanceSettled(510);
      await call(next);
      assert.equal(listener.openCount, 2);
      const free = await ScriptedPeer.connect(listener.port);
      clients.push(free);
      await call(free);
      assert.equal(fixture.heldConnections, 1);
    } finally {
      for (const client of clients) client.destroy();
      fixture.close();
      await application.close();
    }
  });

  it('closes connections beyond its limit unread, and takes others when one has ended', async () => {
    const fixture = new PlaneFixture();
    const application = await ScriptedServer.listen();
    fixture.serveOrders([plainEndpoint(application.port)]);
    const listener = await fixture.listen({}, { maxConnections: 2 });
    const clients = [await ScriptedPeer.connect(listener.port), await ScriptedPeer.connect(listener.port)];
    try {
      await eventually(() => listener.openCount === 2, 2_000);
      const third = await ScriptedPeer.connect(listener.port);
      clients.push(third);
      await third.closed();
      assert.equal(third.unread.length, 0);
      assert.deepEqual(fixture.connections, [{ code: 'connection-limit', detail: 'maxConnections 2', peer: '' }]);
      clients[0]!.destroy();
      await eventually(() => listener.openCount === 1, 2_000);
      const fourth = await ScriptedPeer.connect(listener.port);
      clients.push(fourth);
      await fourth.send(GET);
      const peer = await application.accept();
      await peer.receive('\r\n\r\n');
      await peer.send(OK);
      await fourth.receive('ok');
    } finally {
      for (const client of clients) client.destroy();
      fixture.close();
      await application.close();
    }
  });

  it('counts a connection that the system could not hand over, and goes on', async () => {
    const fixture = new PlaneFixture();
    const application = await ScriptedServer.listen();
    fixture.serveOrders([plainEndpoint(application.port)]);
    const listener = await fixture.listen();
    // As Node reports an accept that failed for want of file descriptors.
    const server: Server = listener['server'];
    server.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE', syscall: 'accept' }));
    assert.deepEqual(fixture.connections, [{ code: 'internal-error', detail: 'accept', peer: '' }]);
    const client = await ScriptedPeer.connect(listener.port);
    try {
      await client.send(GET);
      const peer = await application.accept();
      await peer.receive('\r\n\r\n');
      await peer.send(OK);
      await client.receive('ok');
    } finally {
      client.destroy();
      fixture.close();
      await application.close();
    }
  });
});
