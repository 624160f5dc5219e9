import { smugglingCases } from '../smuggling-cases.ts';
import type { FuzzInput } from './laws.ts';

const request = (bytes: string): FuzzInput => ({ side: 'request', bytes, asked: '', offered: '' });
const response = (bytes: string, asked = 'GET', offered = ''): FuzzInput => ({
  side: 'response',
  bytes,
  asked,
  offered,
});

/** Ordinary traffic of every framing: what mutation starts from, beside all smuggling cases. */
const ordinary: readonly FuzzInput[] = [
  request('GET /a/b?c=d HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: x\r\nAccept: */*\r\n\r\n'),
  request('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nContent-Type: text/plain\r\n\r\nhello world'),
  request(
    'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nTrailer: X-Sum\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nX-Sum: 1\r\n\r\n',
  ),
  request('GET http://b.example/x?y HTTP/1.1\r\nHost: a\r\nProxy-Connection: keep-alive\r\n\r\n'),
  request('OPTIONS http://b.example HTTP/1.1\r\nHost: b.example\r\n\r\n'),
  request('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'),
  request('CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n'),
  request(
    'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
  ),
  request('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n'),
  request('PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc'),
  request('GET / HTTP/1.1\r\nHost: a\r\nConnection: x-b3, close\r\nX-B3: 1\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n'),
  response('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: x\r\n\r\nhello'),
  response('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nGrpc-Status: 0\r\n\r\n'),
  response('HTTP/1.0 200 OK\r\nServer: x\r\n\r\nuntil the end'),
  response('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n', 'POST'),
  response('HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: "x"\r\n\r\n'),
  response('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', 'HEAD'),
  response(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbytes',
    'GET',
    'websocket, foo',
  ),
  response('HTTP/1.1 200 OK\r\n\r\nbytes', 'CONNECT'),
];

// Megabytes and floods have their own tests; here they would only slow mutation down.
const LARGEST = 3000;

export const corpus: readonly FuzzInput[] = [
  ...ordinary,
  ...smugglingCases.filter(({ bytes }) => bytes.length <= LARGEST),
];
