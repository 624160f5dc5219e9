/**
 * What reading and writing a head costs, beside llhttp as Node embeds it, interleaved in one run:
 * `node packages/http/src/http1/bench/main.ts [--rounds N]`. Prints the median of the rounds in nanoseconds.
 */
import { Buffer } from 'node:buffer';
import { ByteWriter, systemClock } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import type { Head } from '../../head.ts';
import { compileHeadEdits } from '../../head-edits.ts';
import type { MessageSink } from '../../message-sink.ts';
import { MethodId } from '../../method.ts';
import { loadLlhttp } from '../fuzz/llhttp.ts';
import { http1Defaults } from '../limits.ts';
import { RequestFacts, ResponseFacts } from '../message-facts.ts';
import { Http1RequestReader } from '../request-reader.ts';
import { Http1ResponseReader } from '../response-reader.ts';
import { writeRequestHead, writeResponseHead } from '../writer.ts';

const ITERATIONS = 40_000;

class CountingSink implements MessageSink {
  heads = 0;
  ends = 0;
  head: Head | undefined = undefined;
  onHead(head: Head): void {
    this.heads += 1;
    this.head = head;
  }
  onData(): void {}
  onTrailers(): void {}
  onEnd(): void {
    this.ends += 1;
  }
  onTermination(code: TerminationCode, detail: string): void {
    throw new Error(`${code} ${detail}`);
  }
}

const requestText = (path: string): Buffer =>
  Buffer.from(
    `GET ${path} HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\n` +
      'Accept: text/html,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n' +
      'Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nCookie: session=abcdef0123456789\r\nX-Trace: 1\r\n\r\n',
    'latin1',
  );
const responseText = (second: string): Buffer =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 17:30:${second} GMT\r\nContent-Type: application/json; charset=utf-8\r\n` +
      'Content-Length: 0\r\nCache-Control: no-store\r\nX-Request-Id: 0f8fad5b-d9cb-469f-a165-70867728950e\r\nServer: app\r\n\r\n',
    'latin1',
  );

// Sixteen different heads in turn: no head equals the one before it.
const requests = Array.from({ length: 16 }, (_, index) => requestText(`/items/${1000 + index}?page=${index % 10}`));
const responses = Array.from({ length: 16 }, (_, index) => responseText(String(10 + index)));

const sink = new CountingSink();
const reader = new Http1RequestReader(http1Defaults, sink);
const responseReader = new Http1ResponseReader(http1Defaults, sink);
const out = new ByteWriter(4096);
const requestFacts = new RequestFacts();
const responseFacts = new ResponseFacts();
const compiled = compileHeadEdits({
  slots: [
    { name: 'x-request-id', mode: 'own' },
    { name: 'x-forwarded-for', mode: 'own' },
    { name: 'via', mode: 'add' },
  ],
});
if (!compiled.ok) throw new Error(compiled.error.reason);
const edits = compiled.value;
const slots = ['0f8fad5b-d9cb-469f-a165-70867728950e', '192.0.2.17', '1.1 weft'];

function compileLlhttp(): ((bytes: Buffer) => void) | undefined {
  const llhttp = loadLlhttp();
  if (llhttp === undefined) return undefined;
  const parser = new llhttp();
  parser.initialize(llhttp.REQUEST, {});
  parser[llhttp.kOnHeadersComplete] = () => 0;
  parser[llhttp.kOnMessageComplete] = () => 0;
  return (bytes) => {
    if (typeof parser.execute(bytes) !== 'number') throw new Error('llhttp refused the head');
  };
}

function readRequest(bytes: Buffer): void {
  reader.feed(bytes, 0, bytes.length);
  reader.next();
}

function readResponse(bytes: Buffer): void {
  responseReader.expect(MethodId.Get);
  responseReader.feed(bytes, 0, bytes.length);
}

const measures: [string, (round: number) => void][] = [
  ['request head, every one different', (index) => readRequest(requests[index & 15]!)],
  ['request head, the same again', () => readRequest(requests[0]!)],
  ['response head, every one different', (index) => readResponse(responses[index & 15]!)],
  ['response head, the same again', () => readResponse(responses[0]!)],
  [
    'write request head, three slots',
    () => {
      out.reset();
      requestFacts.take(requestHead);
      requestFacts.slots = slots;
      writeRequestHead(out, requestHead, edits, requestFacts);
    },
  ],
  [
    'write response head',
    () => {
      out.reset();
      responseFacts.take(responseHead, MethodId.Get, 1);
      writeResponseHead(out, responseHead, edits, responseFacts);
    },
  ],
];
const llhttp = compileLlhttp();
if (llhttp !== undefined)
  measures.push(['llhttp: request head, every one different', (index) => llhttp(requests[index & 15]!)]);

readRequest(requests[0]!);
const requestHead = sink.head!;
readResponse(responses[0]!);
const responseHead = sink.head!;

const flag = process.argv.indexOf('--rounds');
const rounds = flag < 0 ? 9 : Number(process.argv[flag + 1]);
const samples = measures.map((): number[] => []);
for (let round = 0; round < rounds + 2; round += 1) {
  for (const [index, [, run]] of measures.entries()) {
    const started = systemClock.nowMs();
    for (let count = 0; count < ITERATIONS; count += 1) run(count);
    // The first two rounds warm the code up.
    if (round >= 2) samples[index]!.push(((systemClock.nowMs() - started) * 1e6) / ITERATIONS);
  }
}
console.log(`request head ${requests[0]!.length} bytes, response head ${responses[0]!.length} bytes, ${rounds} rounds`);
for (const [index, [name]] of measures.entries()) {
  const sorted = samples[index]!.toSorted((left, right) => left - right);
  const text = sorted[sorted.length >> 1]!.toFixed(0).padStart(6);
  console.log(`${text} ns  (${sorted[0]!.toFixed(0)}-${sorted.at(-1)!.toFixed(0)})  ${name}`);
}
if (llhttp === undefined) console.log('llhttp: not reachable in this Node');
