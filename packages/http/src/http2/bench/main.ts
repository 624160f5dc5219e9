/**
 * What HTTP/2 heads and data cost: `node packages/http/src/http2/bench/main.ts [--rounds N]`. Prints the median of the
 * rounds in nanoseconds. `hit` is a head that came before, `miss` one whose path and id are new.
 */
import { Buffer } from 'node:buffer';
import { systemClock } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import { compileHeadEdits, noEdits } from '../../head-edits.ts';
import type { HeadEdits } from '../../head-edits.ts';
import type { Head } from '../../head.ts';
import { RequestFacts, type ResponseFacts } from '../../http1/message-facts.ts';
import { Http2Connection } from '../connection.ts';
import type { Http2ConnectionSink } from '../connection.ts';
import { http2MeshLimits } from '../limits.ts';
import type { Http2Stream, Http2StreamSink } from '../stream/stream.ts';
import { requestHead, responseHead } from '../test-head.ts';

const ITERATIONS = 20_000;
const BATCH = 16;

class BenchSink implements Http2StreamSink, Http2ConnectionSink {
  ends = 0;
  bytes = 0;
  stream: Http2Stream | undefined = undefined;
  answers = true;
  onStream(stream: Http2Stream): void {
    stream.sink = this;
    this.stream = stream;
  }
  onHead(): void {}
  onData(_chunk: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    this.stream!.grant(end - start);
  }
  onTrailers(): void {}
  onEnd(): void {
    this.ends += 1;
    if (!this.answers) return;
    const stream = this.stream!;
    stream.sendHead(reply.head, noEdits, reply.facts);
    stream.sendData(body, 0, body.length);
    stream.sendEnd(null);
    stream.release();
  }
  onTermination(code: TerminationCode, detail: string): void {
    throw new Error(`${code} ${detail}`);
  }
  onDrained(): void {}
  onRefusedHead(): void {}
  onOutput(): void {}
  onSettings(): void {}
  onPong(): void {}
  onStreamClosed(): void {}
  onGoaway(): void {}
  onConnectionEnd(code: TerminationCode, _errorCode: number, detail: string): void {
    throw new Error(`${code} ${detail}`);
  }
}

class ClientSink extends BenchSink {
  override answers = false;
}

const reply: { head: Head; facts: ResponseFacts } = responseHead(
  'HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nDate: Sun, 22 Nov 2026 17:30:00 GMT\r\nServer: app\r\n',
  -1,
);
const body = Buffer.alloc(67, 0x61);

function callHead(path: string, id: string): Head {
  return requestHead(
    `GET ${path} HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: grpc-go/1.70.0\r\nContent-Type: application/grpc\r\n` +
      `TE: trailers\r\nConnection: TE\r\nGrpc-Accept-Encoding: gzip\r\nX-Request-Id: ${id}\r\n\r\n`,
  );
}

const same = callHead('/shop.Catalog/Find', '0f8fad5b-d9cb-469f-a165-70867728950e');
const varied = Array.from({ length: 4096 }, (_, at) => callHead(`/items/${at}?page=${at % 7}`, `0f8fad5b-${at}-469f`));
const facts = new RequestFacts();
facts.take(same);

interface Pair {
  readonly client: Http2Connection;
  readonly server: Http2Connection;
  readonly clientSink: ClientSink;
  readonly serverSink: BenchSink;
}

function pair(): Pair {
  const options = { limits: http2MeshLimits, scheme: 'https', connectProtocol: true } as const;
  const clientSink = new ClientSink();
  const serverSink = new BenchSink();
  const client = new Http2Connection({ ...options, role: 'client' }, clientSink);
  const server = new Http2Connection({ ...options, role: 'server' }, serverSink);
  const made = { client, server, clientSink, serverSink };
  pass(made);
  pass(made);
  return made;
}

let upNs = 0;
let downNs = 0;

function pass({ client, server }: Pair): void {
  const up = client.output;
  const before = systemClock.nowMs();
  server.feed(up.buffer, 0, up.length, 0);
  client.written(0);
  const between = systemClock.nowMs();
  const down = server.output;
  client.feed(down.buffer, 0, down.length, 0);
  server.written(0);
  upNs += (between - before) * 1e6;
  downNs += (systemClock.nowMs() - between) * 1e6;
}

/** Requests in batches through a pair; the time of each part per request. */
function requests(heads: readonly Head[], edits: HeadEdits, slots: readonly string[]): [number, number, number] {
  const made = pair();
  let at = 0;
  let openNs = 0;
  const run = (count: number): void => {
    upNs = 0;
    downNs = 0;
    openNs = 0;
    for (let done = 0; done < count; done += BATCH) {
      const before = systemClock.nowMs();
      for (let stream = 0; stream < BATCH; stream += 1) {
        facts.slots = slots;
        const opened = made.client.open(made.clientSink, heads[at++ % heads.length]!, edits, facts)!;
        made.clientSink.stream = opened;
        opened.sendEnd(null);
      }
      openNs += (systemClock.nowMs() - before) * 1e6;
      pass(made);
      pass(made);
    }
  };
  run(2000);
  run(ITERATIONS);
  return [openNs / ITERATIONS, upNs / ITERATIONS, downNs / ITERATIONS];
}

/** A body in pieces of 16 KiB through a pair: time per piece, both ends. */
function relay(): number {
  const made = pair();
  made.serverSink.answers = false;
  const opened = made.client.open(made.clientSink, same, noEdits, facts)!;
  made.clientSink.stream = opened;
  const piece = Buffer.alloc(16_384, 0x62);
  const pieces = 5000;
  const before = systemClock.nowMs();
  for (let count = 0; count < pieces; count += 1) {
    opened.sendData(piece, 0, piece.length);
    pass(made);
  }
  const passedNs = (systemClock.nowMs() - before) * 1e6;
  if (made.serverSink.bytes !== pieces * piece.length) throw new Error('the body did not arrive');
  return passedNs / pieces;
}

const argument = process.argv.indexOf('--rounds');
const rounds = argument < 0 ? 5 : Number(process.argv[argument + 1]);
const compiled = compileHeadEdits({ slots: [{ name: 'x-request-id', mode: 'own' }] });
if (!compiled.ok) throw new Error('the edits are refused');
const edits = compiled.value;
const rows = new Map<string, number[]>();
const note = (name: string, ns: number): void => {
  const row = rows.get(name) ?? [];
  row.push(ns);
  rows.set(name, row);
};
for (let round = 0; round < rounds; round += 1) {
  const hit = requests([same], noEdits, []);
  note('hit: open a request', hit[0]);
  note('hit: server reads it and answers', hit[1]);
  note('hit: client reads the answer', hit[2]);
  const slotted = requests([same], edits, ['0f8fad5b-d9cb-469f-a165-70867728950e']);
  note('hit with a slot: open a request', slotted[0]);
  const miss = requests(varied, noEdits, []);
  note('miss: open a request', miss[0]);
  note('miss: server reads it and answers', miss[1]);
  note('relay 16 KiB of DATA, both ends', relay());
}
for (const [name, row] of rows) {
  const median = row.toSorted((a, b) => a - b)[row.length >> 1]!;
  process.stdout.write(`${name.padEnd(40)} ${median.toFixed(0).padStart(7)} ns\n`);
}
