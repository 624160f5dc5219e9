import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { ScriptedPeer } from '@weft/testkit';
import { PlaneFixture, backendPolicy, plainEndpoint } from '../fixture/plane-fixture.ts';

describe('a WebSocket of an HTTP/1.1 program to an application of HTTP/2', { timeout: 30_000 }, () => {
  it('is accepted with the proof that HTTP/1.1 asks for, and carries bytes both ways', async () => {
    const application = createServer({ settings: { enableConnectProtocol: true } });
    const asked: unknown[] = [];
    application.on('stream', (opened, headers) => {
      const stream = opened as ServerHttp2Stream;
      asked.push(headers[':method'], headers[':protocol']);
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    const fixture = new PlaneFixture();
    const { port } = application.address() as AddressInfo;
    fixture.serveOrders([plainEndpoint(port)], {}, backendPolicy({ protocol: 'Http2' }));
    const client = await ScriptedPeer.connect((await fixture.listen()).port);
    try {
      // The example of RFC 6455 §1.3.
      await client.send(
        'GET /chat HTTP/1.1\r\nHost: orders\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      const head = (await client.receive('\r\n\r\n')).toString('latin1');
      assert.match(head, /^HTTP\/1\.1 101 /);
      assert.match(head, /\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/i);
      assert.deepEqual(asked, ['CONNECT', 'websocket']);
      await client.send('there and back');
      assert.equal((await client.receive('there and back')).toString(), 'there and back');
    } finally {
      client.destroy();
      fixture.close();
      application.close();
    }
  });
});
