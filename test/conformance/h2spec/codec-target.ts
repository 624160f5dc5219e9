import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { Http2Connection, http2Defaults } from '@weft/http';
import type { Head, Http2ConnectionSink, Http2Stream, Http2StreamSink } from '@weft/http';

/** Something that answers HTTP/2 on a port of loopback. */
export interface Target {
  readonly port: number;
  close(): Promise<void>;
}

/** The codec alone behind a socket, on a free port: answers each whole request with 200 and a short text. */
export async function startCodecTarget(): Promise<Target> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function serve(socket: Socket): void {
  let due = false;
  const flush = (): void => {
    due = false;
    while (connection.output.length > 0) {
      socket.write(Buffer.from(connection.output.buffer.subarray(0, connection.output.length)));
      connection.written(performance.now());
    }
    if (connection.dead) socket.end();
  };
  const sink: Http2ConnectionSink = {
    onStream(stream) {
      stream.sink = new TextReply(stream);
    },
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
  const options = { role: 'server', limits: http2Defaults, scheme: 'http', connectProtocol: true } as const;
  const connection = new Http2Connection(options, sink);
  socket.on('data', (chunk: Buffer) => connection.feed(chunk, 0, chunk.length, performance.now()));
  socket.on('error', () => {});
  socket.on('close', () => connection.eof());
  flush();
}

class TextReply implements Http2StreamSink {
  private readonly stream: Http2Stream;

  constructor(stream: Http2Stream) {
    this.stream = stream;
  }

  onHead(_head: Head): void {}

  onData(_chunk: Buffer, start: number, end: number): void {
    this.stream.grant(end - start);
  }

  onTrailers(): void {}

  onEnd(): void {
    this.stream.sendReply({ status: 200, fields: [], contentType: 'text/plain', body: 'conformance\n' });
  }

  onTermination(): void {}

  onDrained(): void {}
}
