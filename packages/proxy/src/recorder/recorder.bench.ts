/**
 * What the end of a request costs here, in nanoseconds, and how long a full ring takes to look through:
 * `node packages/proxy/src/recorder/recorder.bench.ts`. Best and median of several rounds.
 */
import { carriages } from './edge-counters.ts';
import { TimerWheel, systemClock } from '@weft/kernel';
import { DecisionRing } from './decision-ring.ts';
import { ExampleExchanges } from './recorder-fixture.ts';
import { RequestWatch } from './request-watch.ts';
import { TraceGate } from './trace-gate.ts';

const ROUNDS = 15;
const exchanges = new ExampleExchanges(systemClock);
const exchange = exchanges.exchange();
const skipped = exchanges.exchange({}, { traceId: '4bf92f3577b34da6a3ce929d0e0fffff' });

function measure(name: string, calls: number, run: (calls: number) => void): void {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = systemClock.nowMs();
    run(calls);
    rounds.push(((systemClock.nowMs() - start) * 1e6) / calls);
  }
  rounds.sort((left, right) => left - right);
  console.log(
    `${name.padEnd(64)} ${rounds[0]!.toFixed(1).padStart(9)} ns best ${rounds[ROUNDS >> 1]!.toFixed(1).padStart(9)} ns median`,
  );
}

const watch = new RequestWatch({
  clock: systemClock,
  wheel: new TimerWheel(systemClock),
  threads: 1,
  version: () => '',
  onTapped: () => undefined,
});
const edge = watch.edges.edge({ direction: 'Outbound', peer: 'shop/orders', route: '', rule: '0', tcp: false });
// So many a second that nearly none is kept.
const gate = new TraceGate();
for (let index = 0; index < 1_000_000; index += 1) gate.keeps('00000000000000000000000000000000', index / 100);
measure('edge.add', 1_000_000, (calls) => {
  for (let index = 0; index < calls; index += 1) edge.add(false, 0, carriages.secured, index & 63, 0, 1_000);
});
measure('gate that does not keep', 1_000_000, (calls) => {
  for (let index = 0; index < calls; index += 1) gate.keeps(skipped.traceId, 20_000);
});
for (let index = 0; index < 5_000; index += 1) watch.ended(exchange, 'completed', '', false, edge);
measure('RequestWatch.ended, request not kept', 300_000, (calls) => {
  for (let index = 0; index < calls; index += 1) watch.ended(skipped, 'completed', '', false, edge);
});
const ring = new DecisionRing(10_000);
measure('DecisionRing.put', 100_000, (calls) => {
  for (let index = 0; index < calls; index += 1) ring.put(exchange, 'completed', '', 'sample', 0, index);
});
measure('DecisionRing.find, 10,000 records, nothing found', 20, (calls) => {
  for (let index = 0; index < calls; index += 1) ring.find('ffffffffffffffffffffffffffffffff');
});
console.log(`a ring of 10,000 records holds ${ring.heldBytes} bytes`);
