/** Run by node-http.ts: role, port, upstream port. HTTP/2 by prior knowledge on both sides, one session to the upstream. */
import { connect, constants, createServer } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';

const [, port, upstreamPort] = process.argv.slice(2);
let session: ClientHttp2Session | undefined;

function upstream(): ClientHttp2Session {
  if (session === undefined || session.closed || session.destroyed) {
    session = connect(`http://127.0.0.1:${upstreamPort}`);
    session.on('error', () => {});
  }
  return session;
}

const server = createServer({ settings: { maxConcurrentStreams: 1_000 } });
server.on('stream', (stream: ServerHttp2Stream, headers) => {
  const out = upstream().request(headers, { endStream: false });
  let trailers: IncomingHttpHeaders = {};
  // The caller may have left meanwhile; to answer then would throw.
  out.on('response', (reply) => void (stream.destroyed || stream.respond(reply, { waitForTrailers: true })));
  out.on('trailers', (fields) => (trailers = fields));
  stream.on('wantTrailers', () => void (stream.destroyed || stream.sendTrailers(trailers)));
  const fail = (): void => stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  out.on('error', fail);
  stream.on('error', () => out.close());
  stream.pipe(out);
  out.pipe(stream);
});
server.on('sessionError', () => {});
server.listen(Number(port), '127.0.0.1', 4_096);
