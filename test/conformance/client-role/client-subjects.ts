import { Buffer } from 'node:buffer';
import { request } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Head, Http2Connection, MethodId, RequestFacts, http2Defaults, noEdits } from '@weft/http';
import type { Http2ConnectionSink, Http2StreamSink } from '@weft/http';
import {
  PlaneFixture,
  backendPolicy,
  plainEndpoint,
  routeRule,
} from '../../../packages/proxy/src/fixture/plane-fixture.ts';
import type { ClientSubject } from './hostile-server.ts';

/** The codec alone in client role, behind a socket; the body is left where it is, so that windows can be overrun. */
export class CodecClient implements ClientSubject {
  readonly name = 'codec';
  private socket: Socket | undefined;

  ask(port: number): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      this.socket = socket;
      let due = false;
      const flush = (): void => {
        due = false;
        while (connection.output.length > 0) {
          if (!socket.destroyed)
            socket.write(Buffer.from(connection.output.buffer.subarray(0, connection.output.length)));
          connection.written(performance.now());
        }
        if (connection.dead) socket.end();
      };
      const connectionSink: Http2ConnectionSink = {
        onStream() {},
        onRefusedHead() {},
        onOutput() {
          if (due) return;
          due = true;
          setImmediate(flush);
        },
        onSettings() {},
        onPong() {},
        onStreamClosed() {},
        onGoaway() {},
        onConnectionEnd() {},
      };
      const options = { role: 'client', limits: http2Defaults, scheme: 'http', connectProtocol: false } as const;
      const connection = new Http2Connection(options, connectionSink);
      let status = 0;
      let body = '';
      const sink: Http2StreamSink = {
        onHead: (head) => void (status = head.status),
        onData: (chunk, start, end) => void (body += chunk.toString('latin1', start, end)),
        onTrailers() {},
        onEnd: () => resolve(`${status} ${body}`),
        onTermination: (code, detail) => resolve(`failed ${code} ${detail}`),
        onDrained() {},
      };
      const head = new Head();
      head.methodId = MethodId.Get;
      const facts = new RequestFacts();
      facts.host = 'a.example';
      facts.target = '/';
      connection.open(sink, head, noEdits, facts)!.sendEnd(null);
      socket.on('data', (chunk: Buffer) => connection.feed(chunk, 0, chunk.length, performance.now()));
      socket.on('error', () => {});
      socket.on('close', () => connection.eof());
      flush();
    });
  }

  close(): void {
    this.socket?.destroy();
  }
}

/** The outbound side of a sidecar, asked over HTTP/1.1, before an application that declares HTTP/2. */
export class OutboundClient implements ClientSubject {
  readonly name = 'outbound side';
  private fixture: PlaneFixture | undefined;

  async ask(port: number): Promise<string> {
    const fixture = new PlaneFixture();
    this.fixture = fixture;
    const { retries } = routeRule();
    fixture.serveOrders(
      [plainEndpoint(port)],
      { retries: { ...retries, attempts: 0 } },
      backendPolicy({ protocol: 'Http2' }),
    );
    const listener = await fixture.listen();
    return new Promise((resolve) => {
      const asked = request({ host: '127.0.0.1', port: listener.port, agent: false }, (response) => {
        let body = '';
        response.setEncoding('latin1');
        response.on('data', (text: string) => (body += text));
        response.on('end', () => {
          const refused = response.headers['weft-refused'] !== undefined || response.statusCode !== 200;
          resolve(refused ? `failed ${response.statusCode} ${body}` : `200 ${body}`);
        });
        response.on('error', () => resolve('failed in the body'));
      });
      asked.on('error', (error) => resolve(`failed ${error.message}`));
      asked.end();
    });
  }

  close(): void {
    this.fixture?.close();
  }
}
