/**
 * What the calls cost that the proxy makes for each request, in nanoseconds: `node packages/telemetry/src/hot-calls.bench.ts`.
 * Best and median of several rounds; on a machine that does other things the best is nearer to the truth. Figures are to
 * be compared with those of the same machine and run only.
 */
import { systemClock } from '@weft/kernel';
import { terminationIndex, terminations } from '@weft/outcome';
import type { AccessLogFacts } from './access-log-facts.ts';
import { AccessLog } from './access-log.ts';
import { writeMetrics } from './metrics-text.ts';
import { RandomIds } from './random-ids.ts';
import { RequestMetrics } from './request-metrics.ts';
import { SeriesTable } from './series-table.ts';
import { readTraceParent, startSpan, traceIdOf, writeTraceParent } from './trace-context.ts';
import { readTraceState } from './trace-state.ts';

const ROUNDS = 15;
const CALLS = 300_000;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

// What is computed ends up here, so that no call can be optimised away.
let kept = 0;

/** `run` makes so many calls in a loop of its own, so that each call is compiled for itself, as it is in the proxy. */
function measure(name: string, run: (calls: number) => number, calls = CALLS): void {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = systemClock.nowMs();
    kept += run(calls);
    rounds.push(((systemClock.nowMs() - start) * 1e6) / calls);
  }
  rounds.sort((left, right) => left - right);
  const [best, median] = [rounds[0]!, rounds[ROUNDS >> 1]!];
  console.log(`${name.padEnd(52)} ${best.toFixed(1).padStart(9)} ns best ${median.toFixed(1).padStart(9)} ns median`);
}

const table = new SeriesTable();
const counter = table.counter({ name: 'c_total', help: 'C.', labels: ['x'] }).resolve(['1']);
const histogram = table
  .latencyHistogram({ name: 'h_seconds', help: 'H.', unit: 'seconds', labels: ['x'] })
  .resolve(['1']);
const latencies = Float64Array.from({ length: 1_024 }, (_, index) => 10 ** (((index * 7919) % 1_024) / 256 - 1));
measure('Counter.add', (calls) => {
  for (let index = 0; index < calls; index += 1) counter.add(1);
  return 0;
});
measure('LatencyHistogram.observeMs, 0.1 ms to 1 s', (calls) => {
  for (let index = 0; index < calls; index += 1) histogram.observeMs(latencies[index & 1_023]!);
  return 0;
});

const scope = new RequestMetrics(table).scope({
  direction: 'outbound',
  source: 'shop/cart',
  destination: 'shop/orders',
  route: 'shop/orders',
  rule: '0',
  port: '80',
});
const completed = terminationIndex('completed');
measure('RequestScope start and finish, same ending', (calls) => {
  for (let index = 0; index < calls; index += 1) {
    scope.start();
    scope.finish('GET', 200, completed, false, latencies[index & 1_023]!, 0, 67);
  }
  return 0;
});
const methods = ['GET', 'POST', 'PUT'];
measure('RequestScope start and finish, endings alternate', (calls) => {
  for (let index = 0; index < calls; index += 1) {
    scope.start();
    scope.finish(methods[index % 3]!, index % 2 === 0 ? 200 : 404, completed, false, latencies[index & 1_023]!, 9, 67);
  }
  return 0;
});

const ids = new RandomIds();
measure('RandomIds.spanId', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) sum += ids.spanId().charCodeAt(3);
  return sum;
});
measure('RandomIds.requestId', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) sum += ids.requestId().charCodeAt(3);
  return sum;
});
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
measure('traceparent in, child, traceparent out', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) {
    sum += writeTraceParent(startSpan(readTraceParent(traceparent), ids, 0)).charCodeAt(40);
  }
  return sum;
});
const traceparentBytes = Buffer.from(traceparent, 'latin1');
measure('trace id of a traceparent that is passed on', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) sum += traceIdOf(traceparentBytes, 0, 55).charCodeAt(3);
  return sum;
});
measure('no traceparent, new trace, traceparent out', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1) sum += writeTraceParent(startSpan(undefined, ids, 0)).charCodeAt(40);
  return sum;
});
measure('tracestate with two members', (calls) => {
  let sum = 0;
  for (let index = 0; index < calls; index += 1)
    sum += readTraceState('rojo=00f067aa0ba902b7,congo=t61rcWkgMzE').length;
  return sum;
});

const log = new AccessLog();
const facts: Writable<AccessLogFacts> = {
  startWallMs: 1_767_323_045_067,
  requestId: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  direction: 'outbound',
  protocol: 'http1',
  source: 'spiffe://cluster.local/ns/shop/sa/cart',
  destination: 'shop/orders',
  method: 'GET',
  authority: 'orders.shop.svc.cluster.local',
  target: '/api/orders/1234?token=secret',
  status: 200,
  grpcStatus: -1,
  termination: terminations.completed,
  flags: 5,
  requestBytes: 0,
  responseBytes: 6_700,
  durationMs: 1.23456,
  upstreamMs: 1.123,
  connectMs: -1,
  attempts: 1,
  upstreamAddress: '127.0.0.1:8080',
  downstreamAddress: '127.0.0.1:50123',
  configVersion: '0123456789abcdef',
  route: 'shop/orders',
  rule: 'list',
};
// Joined and encoded in batches as the sink does it: a string that was only concatenated has not been paid for.
const BATCH = 100;
function writeBatches(calls: number, write: () => string): number {
  let bytes = 0;
  for (let index = 0; index < calls; index += BATCH) {
    let text = '';
    for (let line = 0; line < BATCH; line += 1) {
      facts.startWallMs += 0.01;
      facts.durationMs = latencies[(index + line) & 1_023]!;
      facts.target = `/api/orders/${index + line}?a=b`;
      text += write();
    }
    bytes += Buffer.from(text).length;
  }
  return bytes;
}
measure('AccessLog.write, joined and encoded', (calls) => writeBatches(calls, () => log.write(facts)), 50_000);
measure(
  'JSON.stringify of the facts, for comparison',
  (calls) => writeBatches(calls, () => JSON.stringify(facts)),
  50_000,
);

const large = new SeriesTable();
const durations = large.latencyHistogram({
  name: 'd_seconds',
  help: 'D.',
  unit: 'seconds',
  labels: ['a', 'b', 'c'],
  maxSeries: 5_000,
});
for (let index = 0; index < 5_000; index += 1)
  durations.resolve(['outbound', `shop/service-${index}`, 'ok']).observeMs(index);
let longestMs = 0;
let snapshotMs = 0;
let totalMs = 0;
let chars = 0;
for (let round = 0; round < 5; round += 1) {
  const start = systemClock.nowMs();
  const slices = writeMetrics(large.snapshot(), 'openmetrics');
  snapshotMs = systemClock.nowMs() - start;
  longestMs = 0;
  chars = 0;
  for (let from = systemClock.nowMs(), next = slices.next(); next.done !== true; next = slices.next()) {
    chars += Buffer.byteLength(next.value);
    longestMs = Math.max(longestMs, systemClock.nowMs() - from);
    from = systemClock.nowMs();
  }
  totalMs = systemClock.nowMs() - start;
}
console.log(
  `scrape of 5,000 histograms (${(chars / 1e6).toFixed(1)} MB): ${totalMs.toFixed(1)} ms in all, snapshot ${snapshotMs.toFixed(2)} ms, longest slice ${longestMs.toFixed(2)} ms`,
);
console.log(`(${kept})`);
