/**
 * Memory of the window with so many sidecars for 30 minutes, and how much processor it takes to read:
 * `node --expose-gc packages/control/src/observation/traffic-window.bench.ts [sidecars] [edges each]`.
 */
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
  plaintext: 0,
  requestBytes: 1_000,
  responseBytes: 100_000,
  latencies,
}));
const reporters = Array.from({ length: sidecars }, (_, index) => ({
  proxy: `shop/service-${index}-x`,
  workload: `shop/service-${index}`,
  account: `shop/account-${index}`,
  gateway: false,
  entry: '',
}));

const before = measured();
const takenMs = processorMs(() => {
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
});
const after = measured();
const report = new TrafficReport(window, () => nowMs);
const readMs = [60_000, 1_800_000].map((windowMs) => {
  return processorMs(() => report.topology(windowMs));
});
const serviceMs = processorMs(() => report.service('shop/service-0', 1_800_000));
console.log(
  `${sidecars} sidecars, ${edges} edges each, 30 min: ${((after - before) / 1e6).toFixed(1)} MB, of it points ${(window.heldBytes / 1e6).toFixed(1)} MB; ` +
    `${((takenMs * 1_000) / (sidecars * STEPS)).toFixed(1)} us a report; ` +
    `topology of 1 min ${readMs[0]!.toFixed(0)} ms, of 30 min ${readMs[1]!.toFixed(0)} ms; page of a service ${serviceMs.toFixed(0)} ms; dropped ${window.dropped}`,
);

/** Of processor, so that other work on the machine is no part of it. */
function processorMs(action: () => void): number {
  const before = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

function measured(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
