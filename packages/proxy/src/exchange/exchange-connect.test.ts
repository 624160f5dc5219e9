import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createWebServer } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ScriptedPeer, eventually, freePorts } from '@weft/testkit';
import { PlaneFixture, plainEndpoint } from '../fixture/plane-fixture.ts';

const run = promisify(execFile);
const WHOLE_REPLY = /\r\n\r\n[^]*\n$/;

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function connectLine(authority: string): string {
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
}

describe('CONNECT of the application beside a sidecar', { timeout: 60_000 }, () => {
  /** Echoes, and ends what the other side has ended. */
  let echo: Server;
  let echoPort = 0;
  let echoed: Socket[];
  let fixture: PlaneFixture;
  let port = 0;
  let sessions: ClientHttp2Session[];

  before(async () => {
    echo = createServer({ allowHalfOpen: true }, (socket) => {
      echoed.push(socket);
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    echoPort = await listening(echo);
  });
  beforeEach(async () => {
    echoed = [];
    sessions = [];
    fixture = new PlaneFixture();
    port = (await fixture.listen({ kind: 'explicit' })).port;
  });
  after(() => void echo.close());

  afterEach(() => {
    for (const session of sessions) session.destroy();
    for (const socket of echoed) socket.destroy();
    fixture.close();
  });

  async function http2Tunnel(authority: string): Promise<ClientHttp2Stream> {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    sessions.push(session);
    await once(session, 'connect');
    return session.request({ ':method': 'CONNECT', ':authority': authority }, { endStream: false });
  }

  it('is a tunnel out of the mesh, each direction ended by itself', async () => {
    const client = await ScriptedPeer.connect(port);
    await client.send(connectLine(`127.0.0.1:${echoPort}`));
    const head = (await client.receive('\r\n\r\n')).toString();
    assert.match(head, /^HTTP\/1\.1 200 /);
    // RFC 9110 §9.3.6.
    assert.doesNotMatch(head, /content-length|transfer-encoding/i);
    await client.send('GET / HTTP/1.1\r\n\0\xff');
    assert.equal((await client.receive('\xff')).toString('latin1'), 'GET / HTTP/1.1\r\n\0\xff');
    client.end();
    await client.closed();
    await eventually(() => fixture.recorder.codes.length === 1, 2_000);
    assert.deepEqual(fixture.recorder.codes, ['completed']);
    assert.equal(fixture.recorder.ends[0]!.destination, `outside:127.0.0.1:${echoPort}`);
  });

  it('passes on what came before the tunnel was there', async () => {
    const client = await ScriptedPeer.connect(port);
    await client.send(`${connectLine(`127.0.0.1:${echoPort}`)}early bird`);
    assert.match((await client.receive('early bird')).toString(), /^HTTP\/1\.1 200 [^]*\r\n\r\nearly bird$/);
    client.destroy();
  });

  it('over HTTP/2 is a tunnel in a stream of its own, with 4 MB both ways at once', async () => {
    const stream = await http2Tunnel(`127.0.0.1:${echoPort}`);
    const sent = Buffer.alloc(4_000_000, 'bytes of a tunnel ');
    // Some before it is there.
    stream.write(sent.subarray(0, 100_000));
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    assert.equal(headers[':status'], 200);
    let received = 0;
    stream.on('data', (chunk: Buffer) => {
      assert.ok(chunk.equals(sent.subarray(received, received + chunk.length)));
      received += chunk.length;
    });
    stream.end(sent.subarray(100_000));
    await once(stream, 'end');
    assert.equal(received, sent.length);
    await eventually(() => fixture.recorder.codes.length === 1, 2_000);
    assert.deepEqual(fixture.recorder.codes, ['completed']);
  });

  it('ends with the endpoint: in order, or cut', async () => {
    for (const [how, code] of [
      ['end', 'completed'],
      ['reset', 'upstream-cut'],
    ] as const) {
      const client = await ScriptedPeer.connect(port);
      await client.send(connectLine(`127.0.0.1:${echoPort}`));
      await client.receive('\r\n\r\n');
      const socket = echoed.at(-1)!;
      if (how === 'end') socket.destroy();
      else socket.resetAndDestroy();
      if (how === 'end') client.end();
      await client.closed();
      await eventually(() => fixture.recorder.codes.at(-1) === code, 2_000);
    }
  });

  it('is answered with the reason when nobody listens there', async () => {
    const [dead] = (await freePorts(1)) as [number];
    const client = await ScriptedPeer.connect(port);
    await client.send(connectLine(`127.0.0.1:${dead}`));
    assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 503 [^]*weft-refused: connect-refused/i);
    client.destroy();
  });

  it('leads to nothing of the mesh, nor to this proxy, and says how to call instead', async () => {
    fixture.serveOrders([plainEndpoint(echoPort)]);
    for (const [authority, answer] of [
      ['orders:80', /^HTTP\/1\.1 501 [^]*method-not-served[^]*call orders by http:\/\//],
      ['orders:81', /^HTTP\/1\.1 501 [^]*method-not-served/],
    ] as const) {
      const client = await ScriptedPeer.connect(port);
      await client.send(connectLine(authority));
      assert.match((await client.receive(WHOLE_REPLY)).toString(), answer, authority);
      client.destroy();
    }
    assert.equal(echoed.length, 0);
  });

  it('over HTTP/2 is refused for a service of the mesh as for HTTP/1.1', async () => {
    fixture.serveOrders([plainEndpoint(echoPort)]);
    const stream = await http2Tunnel('orders:80');
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    assert.equal(headers[':status'], 501);
    assert.equal(headers['weft-refused'], 'method-not-served');
  });

  it('is refused under DeclaredOnly', async () => {
    const strict = new PlaneFixture({ egress: 'DeclaredOnly' });
    const listener = await strict.listen({ kind: 'explicit' });
    const client = await ScriptedPeer.connect(listener.port);
    await client.send(connectLine(`127.0.0.1:${echoPort}`));
    assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 403 [^]*egress-refused/);
    client.destroy();
    strict.close();
  });

  it('that leads to a listener of this proxy by another name is a loop', async () => {
    const looped = new PlaneFixture({ isOwnAddress: (host) => host === '127.0.0.1' });
    const listener = await looped.listen({ kind: 'explicit' });
    const client = await ScriptedPeer.connect(listener.port);
    await client.send(connectLine(`localhost:${echoPort}`));
    assert.match((await client.receive(WHOLE_REPLY)).toString(), /^HTTP\/1\.1 508 [^]*loop-detected/);
    client.destroy();
    looped.close();
  });

  it('is what curl makes of an https URL and of --proxytunnel', { skip: noCurl() }, async () => {
    const web = createWebServer((_request, response) => response.end('through the tunnel'));
    const webPort = await listening(web);
    try {
      const proxy = ['--proxytunnel', '--noproxy', '', '-x', `http://127.0.0.1:${port}`];
      const said = ['-s', '--max-time', '10', '-w', ' %{http_connect} %{http_code}'];
      const { stdout } = await run('curl', [...said, ...proxy, `http://127.0.0.1:${webPort}/`]);
      assert.equal(stdout, 'through the tunnel 200 200');
    } finally {
      web.close();
      web.closeAllConnections();
    }
  });
});

function noCurl(): string | false {
  return spawnSync('curl', ['--version']).error === undefined ? false : 'curl is not installed: apt-get install curl';
}
