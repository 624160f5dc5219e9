import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { ScriptedPeer, ScriptedServer } from './scripted-peer.ts';

async function pair(): Promise<{ client: ScriptedPeer; peer: ScriptedPeer; server: ScriptedServer }> {
  const server = await ScriptedServer.listen();
  const [client, peer] = await Promise.all([ScriptedPeer.connect(server.port), server.accept()]);
  return { client, peer, server };
}

describe('a scripted peer', () => {
  it('receives up to a text, a pattern or a count, and leaves the rest', async () => {
    const { client, peer, server } = await pair();
    await client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\xff');
    assert.equal((await peer.receive('\r\n')).toString('latin1'), 'GET / HTTP/1.1\r\n');
    assert.equal((await peer.receive(/host: \w\r\n\r\n/i)).toString('latin1'), 'Host: a\r\n\r\n');
    assert.deepEqual(await peer.receive(5), Buffer.from('body\xff', 'latin1'));
    assert.equal(peer.unread.length, 0);
    await server.close();
  });

  it('serves waits in the order of their beginning', async () => {
    const { client, peer, server } = await pair();
    const waits = [peer.receive(3), peer.receive('x'), peer.receive(2)];
    await client.send('abcdefxgh', 'bytes');
    assert.deepEqual(
      (await Promise.all(waits)).map((bytes) => bytes.toString()),
      ['abc', 'defx', 'gh'],
    );
    await server.close();
  });

  it('sends pieces that arrive apart', async () => {
    const { client, peer, server } = await pair();
    const sizes: number[] = [];
    peer.socket.on('data', (chunk: Buffer) => sizes.push(chunk.length));
    await client.send('0123456789', [1, 4]);
    await client.send('0123456789', 'bytes');
    assert.equal((await peer.receive(20)).toString(), '01234567890123456789');
    assert.ok(sizes.length > 3, `came in ${sizes.join(', ')}`);
    await server.close();
  });

  it('tells an end from a reset', async () => {
    const first = await pair();
    await first.client.send('bye');
    await first.client.end();
    assert.equal(await first.peer.closed(), 'end');
    assert.equal((await first.peer.receive(3)).toString(), 'bye');
    await first.peer.send('still here');
    assert.equal((await first.client.receive('here')).toString(), 'still here');
    await first.server.close();

    const second = await pair();
    second.client.reset();
    assert.equal(await second.peer.closed(), 'reset');
    await second.server.close();
  });

  it('fails a wait when the peer ends or the time is up, and shows what had come', async () => {
    const { client, peer, server } = await pair();
    await client.send('half');
    await assert.rejects(peer.receive('whole', 20), /waited 20 ms for whole; unread: "half"/);
    const wait = peer.receive('whole');
    await client.end();
    await assert.rejects(wait, /the peer ended \(end\) before whole; unread: "half"/);
    await assert.rejects(server.accept(10), /no connection within 10 ms/);
    await server.close();
  });

  it('lets the sender feel a reader that has stopped', async () => {
    const { client, peer, server } = await pair();
    peer.pauseReading();
    const megabyte = Buffer.alloc(1 << 20);
    let sent = 0;
    // Written without waiting for the callback: that comes only when the system has taken everything.
    while (sent < 64 && client.socket.write(megabyte)) sent += 1;
    assert.ok(sent < 64);
    assert.equal(peer.unread.length, 0);
    peer.resumeReading();
    await peer.receive((sent + 1) << 20);
    await server.close();
  });

  it('leaves nothing open when its server closes', async () => {
    const { client, server } = await pair();
    assert.equal(server.size, 1);
    await server.close();
    await client.closed();
    assert.equal(server.size, 0);
    await assert.rejects(ScriptedPeer.connect(server.port), { code: 'ECONNREFUSED' });
  });
});
