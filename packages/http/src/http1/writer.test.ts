import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { ByteWriter } from '@weft/kernel';
import { FieldId, fieldIdOf } from '../field-id.ts';
import { Framing } from '../framing.ts';
import { Head } from '../head.ts';
import { noEdits } from '../head-edits.ts';
import { writeLocalReply } from '../local-reply.ts';
import { MethodId, methodIdOf } from '../method.ts';
import { writeChunk, writeLastChunk } from './chunk-writer.ts';
import { http1Defaults } from './limits.ts';
import { RequestFacts, ResponseFacts } from './message-facts.ts';
import { Recorder } from './recorder.ts';
import { Http1RequestReader } from './request-reader.ts';
import { Http1ResponseReader } from './response-reader.ts';
import { writeRequestHead, writeResponseHead } from './writer.ts';

/** The request head as it goes to the next hop, after `change`. */
function passRequest(text: string, change: (facts: RequestFacts) => void = () => {}): string {
  const reader = new Http1RequestReader(http1Defaults, new Recorder());
  const bytes = Buffer.from(text, 'latin1');
  reader.feed(bytes, 0, bytes.length);
  assert.equal(reader.dead, false);
  const out = new ByteWriter(16);
  const facts = new RequestFacts();
  facts.take(reader.head);
  change(facts);
  assert.equal(writeRequestHead(out, reader.head, noEdits, facts), true);
  return out.buffer.toString('latin1', 0, out.length);
}

function passResponse(
  text: string,
  asked = 'GET',
  clientMinorVersion = 1,
  change: (facts: ResponseFacts) => void = () => {},
  offered = '',
): string {
  const reader = new Http1ResponseReader(http1Defaults, new Recorder());
  reader.expect(methodIdOf(asked), offered);
  const bytes = Buffer.from(text, 'latin1');
  reader.feed(bytes, 0, bytes.length);
  assert.equal(reader.dead, false);
  const out = new ByteWriter(16);
  const facts = new ResponseFacts();
  facts.take(reader.head, methodIdOf(asked), clientMinorVersion);
  change(facts);
  assert.equal(writeResponseHead(out, reader.head, noEdits, facts), true);
  return out.buffer.toString('latin1', 0, out.length);
}

test('end-to-end fields pass in order and spelling; fields of the hop do not (RFC 9110 §7.6.1)', () => {
  const text =
    'GET /x?y HTTP/1.1\r\nA: 1\r\nHost: h\r\nb: 2\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nx-hop: 1\r\n' +
    'Proxy-Authorization: x\r\nC: 3\r\nA: 4\r\nHTTP2-Settings: x\r\nWeft-X: 1\r\nD:5\r\n\r\n';
  assert.equal(passRequest(text), 'GET /x?y HTTP/1.1\r\nHost: h\r\nA: 1\r\nb: 2\r\nC: 3\r\nA: 4\r\nD:5\r\n\r\n');
});

test('framing comes from facts, not from fields', () => {
  const text = 'POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 5\r\n\r\n';
  assert.equal(passRequest(text), 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n');
  const rechunked = passRequest(text, (facts) => {
    facts.framing = Framing.Chunked;
  });
  assert.equal(rechunked, 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n');
});

test('targets: absolute becomes origin form, OPTIONS without path becomes *, a rewrite replaces it', () => {
  assert.match(passRequest('GET http://b:1/x?y HTTP/1.1\r\nHost: a\r\n\r\n'), /^GET \/x\?y HTTP\/1.1\r\nHost: b:1\r\n/);
  assert.match(passRequest('GET http://b?y HTTP/1.1\r\nHost: a\r\n\r\n'), /^GET \/\?y HTTP/);
  assert.match(passRequest('OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n'), /^OPTIONS \* HTTP/);
  assert.match(passRequest('OPTIONS http://b/ HTTP/1.1\r\nHost: a\r\n\r\n'), /^OPTIONS \/ HTTP/);
  const rewritten = passRequest('GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n', (facts) => {
    facts.target = '/z?y';
    facts.host = 'c.example';
    facts.method = 'POST';
  });
  assert.equal(rewritten, 'POST /z?y HTTP/1.1\r\nHost: c.example\r\n\r\n');
});

test('a rewrite that would split the head is refused and nothing is written', () => {
  const reader = new Http1RequestReader(http1Defaults, new Recorder());
  const bytes = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1');
  reader.feed(bytes, 0, bytes.length);
  const out = new ByteWriter(16);
  for (const change of [
    { target: '/ HTTP/1.1\r\nX: y' },
    { target: '/\u0120' },
    { host: 'a\r\nb' },
    { host: 'a b' },
    { method: 'GET /' },
  ]) {
    const facts = new RequestFacts();
    facts.take(reader.head);
    Object.assign(facts, change);
    assert.equal(writeRequestHead(out, reader.head, noEdits, facts), false, JSON.stringify(change));
    assert.equal(out.length, 0);
  }
});

test('Connection is written anew with Upgrade, TE and close; HTTP/1.0 goes on as HTTP/1.1', () => {
  const text =
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, TE\r\nUpgrade: WebSocket, h2c\r\nTE: trailers, gzip\r\n\r\n';
  assert.match(passRequest(text), /\r\nUpgrade: websocket\r\nTE: trailers\r\nConnection: Upgrade, TE\r\n\r\n$/);
  const closing = passRequest('GET / HTTP/1.0\r\nHost: a\r\n\r\n', (facts) => {
    facts.close = true;
  });
  assert.equal(closing, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
});

test('H1-14: Expect is forwarded once and only where the client waits', () => {
  assert.match(
    passRequest('PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n'),
    /\r\nExpect: 100-continue\r\n\r\n$/,
  );
  assert.doesNotMatch(passRequest('PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n'), /Expect/);
});

test('responses: fields pass, framing and Connection follow the client', () => {
  const chunked =
    'HTTP/1.1 200 Fine\r\nX: y\r\nTransfer-Encoding: chunked\r\nConnection: close, z\r\nZ: 1\r\nUpgrade: h2\r\n\r\n';
  assert.equal(passResponse(chunked), 'HTTP/1.1 200 Fine\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n');
  assert.equal(passResponse(chunked, 'GET', 0), 'HTTP/1.1 200 Fine\r\nX: y\r\nConnection: close\r\n\r\n');
  const sized = 'HTTP/1.0 201\r\nContent-Length: 3\r\nX: y\r\n\r\n';
  assert.equal(passResponse(sized), 'HTTP/1.1 201 \r\nX: y\r\nContent-Length: 3\r\n\r\n');
  assert.equal(
    passResponse(sized, 'GET', 0),
    'HTTP/1.1 201 \r\nX: y\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n',
  );
  assert.equal(passResponse('HTTP/1.0 200 OK\r\n\r\n'), 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
});

test('responses without a body keep the length they announce where it means something', () => {
  assert.equal(
    passResponse('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'HEAD'),
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
  );
  assert.equal(
    passResponse('HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n'),
    'HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n',
  );
  assert.equal(passResponse('HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n'), 'HTTP/1.1 204 X\r\n\r\n');
});

test('101 and 426 say to what; a status may be replaced', () => {
  const upgrade = 'Connection: upgrade\r\nUpgrade: websocket\r\n';
  assert.equal(
    passResponse(`HTTP/1.1 101 X\r\n${upgrade}\r\n`, 'GET', 1, undefined, 'websocket'),
    'HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  );
  assert.equal(
    passResponse(`HTTP/1.1 426 X\r\n${upgrade}Content-Length: 0\r\n\r\n`),
    'HTTP/1.1 426 X\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  );
  const replaced = passResponse('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n', 'GET', 1, (facts) => {
    facts.status = 503;
    facts.close = true;
  });
  assert.equal(replaced, 'HTTP/1.1 503 Service Unavailable\r\nX: y\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
});

/** A head as another codec would make it: spans without line structure. */
function foreign(method: string, path: string, authority: string, fields: [string, string][]): Head {
  const head = new Head();
  head.reset();
  head.raw = false;
  const put = (text: string): [number, number] => {
    const start = head.length;
    head.reserveBytes(start + text.length);
    head.length += head.bytes.write(text, start, 'latin1');
    return [start, head.length];
  };
  [head.methodStart, head.methodEnd] = put(method);
  head.methodId = methodIdOf(method);
  [head.pathStart, head.pathEnd] = put(path);
  [head.authorityStart, head.authorityEnd] = put(authority);
  for (const [name, value] of fields) {
    const [nameStart, nameEnd] = put(name);
    const [valueStart, valueEnd] = put(value);
    head.push(fieldIdOf(name), nameStart, nameEnd, valueStart, valueEnd);
  }
  return head;
}

test('the second wall: a head of another codec is written only if no byte of it would split the head', () => {
  const out = new ByteWriter(16);
  const facts = new RequestFacts();
  const write = (head: Head): string | false => {
    out.reset();
    facts.take(head);
    return writeRequestHead(out, head, noEdits, facts) ? out.buffer.toString('latin1', 0, out.length) : false;
  };
  assert.equal(
    write(
      foreign('GET', '/x', 'a', [
        ['b', 'c'],
        ['cookie', 'd'],
      ]),
    ),
    'GET /x HTTP/1.1\r\nHost: a\r\nb: c\r\ncookie: d\r\n\r\n',
  );
  assert.equal(write(foreign('GET', '/x', 'a', [['weft-a', 'c']])), 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n');
  for (const head of [
    foreign('GE\rT', '/', 'a', []),
    foreign('GET', '/ x', 'a', []),
    foreign('GET', '/\r\nX: y', 'a', []),
    foreign('GET', '/', 'a\r\nX: y', []),
    foreign('GET', '/', 'a', [['b', 'c\r\nX: y']]),
    foreign('GET', '/', 'a', [['b', 'c\0']]),
    foreign('GET', '/', 'a', [['b: c\r\nx', 'y']]),
    foreign('GET', '/', 'a', [['', 'y']]),
  ]) {
    assert.equal(write(head), false);
    assert.equal(out.length, 0);
  }
});

test('chunks and trailers are written so that they read back the same', () => {
  const out = new ByteWriter(16);
  out.latin1('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
  const data = Buffer.alloc(70_000, 0x61);
  writeChunk(out, data, 0, 70_000);
  writeChunk(out, data, 5, 5);
  writeChunk(out, data, 5, 15);
  const trailers = foreign('', '', '', [
    ['x-sum', '1'],
    ['content-length', '3'],
  ]);
  trailers.flags[1] = 1;
  assert.equal(trailers.ids[1], FieldId.ContentLength);
  assert.equal(writeLastChunk(out, trailers), true);
  const recorder = new Recorder();
  const reader = new Http1RequestReader(http1Defaults, recorder);
  assert.equal(reader.feed(out.buffer, 0, out.length), out.length);
  assert.equal(recorder.data.length, 70_010);
  assert.deepEqual(recorder.events.slice(-2), ['trailers x-sum=1', 'end']);
});

test('trailers that would split the section are left out as a whole', () => {
  const out = new ByteWriter(16);
  assert.equal(
    writeLastChunk(
      out,
      foreign('', '', '', [
        ['a', 'b'],
        ['c', 'd\r\n\r\nGET /'],
      ]),
    ),
    false,
  );
  assert.equal(out.buffer.toString('latin1', 0, out.length), '0\r\n\r\n');
});

test('local replies carry their length, and no body for HEAD, 204 and 304', () => {
  const out = new ByteWriter(16);
  const reply = {
    status: 503,
    fields: [
      { name: 'weft-refused', value: 'no-endpoint' },
      { name: 'bad', value: 'a\r\nb' },
    ],
    contentType: 'text/plain',
    body: 'né\n',
  };
  const write = (status: number, methodId: number, clientMinorVersion: number, close: boolean): string => {
    out.reset();
    writeLocalReply(out, { ...reply, status }, { methodId, clientMinorVersion, close });
    return out.buffer.toString('utf8', 0, out.length);
  };
  const head = 'weft-refused: no-endpoint\r\n';
  const length = 'content-type: text/plain\r\ncontent-length: 4\r\n';
  assert.equal(
    write(503, MethodId.Get, 1, true),
    `HTTP/1.1 503 Service Unavailable\r\n${head}${length}connection: close\r\n\r\nné\n`,
  );
  assert.equal(
    write(503, MethodId.Head, 0, false),
    `HTTP/1.1 503 Service Unavailable\r\n${head}${length}connection: keep-alive\r\n\r\n`,
  );
  assert.equal(write(204, MethodId.Get, 1, false), `HTTP/1.1 204 No Content\r\n${head}\r\n`);
});
