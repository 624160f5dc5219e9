/**
 * Memory of the window with so many sidecars for 30 minutes, and how long it takes to read:
 * `node --expose-gc packages/control/src/observation/traffic-window.bench.ts [sidecars] [edges each]`.
 */
import { systemClock } from '@weft/kernel';
import { BUCKETS } from './point-store.ts';
import { TrafficReport } from './traffic-report.ts';
import { STEPS, STEP_MS, TrafficWindow } from './traffic-window.ts';

const [sidecars = 1_000, edges = 10] = process.argv.slice(2).map(Number);
let nowMs = 1_700_000_000_000;
const window = new TrafficWindow({ nowMs: () => nowMs, wallMs: () => nowMs });
const latencies = Array.from({ length: BUCKETS }, (_, index) => index * 3);
const peers = Array.from({ length: edges }, (_, index) => `shop/service-${index}`);
const counted = peers.map((peer, index) => ({
  direction: index % 2 === 0 ? ('Outbound' as const) : ('Inbound' as const),
  peer,
  route: `HTTPRoute ${peer}`,
  rule: '0',
  tcp: false,
  requests: 408,
  failures: 2,
  retries: 1,
  secured: 408,
  requestBytes: 1_000,
  responseBytes: 100_000,
  latencies,
}));
const reporters = Array.from({ length: sidecars }, (_, index) => ({
  proxy: `shop/service-${index}-x`,
  workload: `shop/service-${index}`,
  account: `shop/account-${index}`,
  gateway: false,
}));

const before = measured();
let longestMs = 0;
const started = systemClock.nowMs();
for (let step = 0; step < STEPS; step += 1) {
  for (const reporter of reporters) {
    window.take(reporter, {
      intervalMs: STEP_MS,
      edges: counted,
      folded: 0,
      residentBytes: 1,
      loopDelayP99Ms: 1,
      connections: 1,
    });
  }
  nowMs += STEP_MS;
}
const takenMs = systemClock.nowMs() - started;
const after = measured();
const report = new TrafficReport(window, () => nowMs);
const readMs = [60_000, 1_800_000].map((windowMs) => {
  const start = systemClock.nowMs();
  report.topology(windowMs);
  longestMs = Math.max(longestMs, systemClock.nowMs() - start);
  return systemClock.nowMs() - start;
});
const startMs = systemClock.nowMs();
report.service('shop/service-0', 1_800_000);
const serviceMs = systemClock.nowMs() - startMs;
console.log(
  `${sidecars} sidecars, ${edges} edges each, 30 min: ${((after - before) / 1e6).toFixed(1)} MB, of it points ${(window.heldBytes / 1e6).toFixed(1)} MB; ` +
    `${((takenMs * 1_000) / (sidecars * STEPS)).toFixed(1)} us a report; ` +
    `topology of 1 min ${readMs[0]!.toFixed(0)} ms, of 30 min ${readMs[1]!.toFixed(0)} ms; page of a service ${serviceMs.toFixed(0)} ms; dropped ${window.dropped}`,
);

function measured(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
