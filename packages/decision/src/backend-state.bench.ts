/**
 * What a request pays for its endpoint: admit, requestStarted, pick, tryStarted, tryHead, tryEnded, requestEnded, in ns and
 * in bytes allocated. Run: `node --expose-gc packages/decision/src/backend-state.bench.ts`
 */
import { systemClock, systemRandom } from '@weft/kernel';
import type { Backend, Endpoint, EndpointSet } from '@weft/model';
import { BackendState } from './backend-state.ts';

const ROUNDS = 5;
const REQUESTS = 1_000_000;

const backend: Backend = {
  type: 'backend',
  name: 'shop/orders:80',
  protocol: 'Http1',
  loadBalancer: {
    type: 'PeakEwma',
    decayMs: 10_000,
    initialLatencyMs: 30,
    slowStartMs: 0,
    slowStartMinimumPercent: 10,
    locality: 'Off',
    panicBelowPercent: 50,
  },
  connections: {
    maxPerEndpoint: 0,
    maxPending: 0,
    idleTimeoutMs: 60_000,
    maxLifetimeMs: 0,
    maxRequestsPerConnection: 0,
    sendsProxyProtocol: false,
    keepsFieldNameCase: false,
  },
  circuitBreaker: {
    failurePercent: 50,
    minimumRequests: 20,
    windowMs: 10_000,
    openForMs: 5_000,
    maxOpenForMs: 60_000,
    probes: 3,
    slowerThanMs: 0,
  },
  maxRequests: 0,
  outlierDetection: {
    consecutiveErrors: 5,
    successRate: null,
    baseEjectionMs: 10_000,
    maxEjectionMs: 300_000,
    maxEjectedPercent: 50,
  },
  healthCheck: null,
};

function endpointSet(count: number): EndpointSet {
  const endpoints: Endpoint[] = [];
  for (let index = 0; index < count; index += 1) {
    endpoints.push({
      key: `orders-${String(index).padStart(4, '0')}`,
      address: '127.0.0.1',
      port: 8080,
      applicationPort: 8080,
      identity: '',
      mesh: false,
      zone: '',
      weight: 1,
    });
  }
  return { type: 'endpoints', name: backend.name, endpoints };
}

function measure(count: number): void {
  const state = new BackendState(backend, endpointSet(count), { clock: systemClock, random: systemRandom, zone: '' });
  const outcome = { failed: false, latencyMs: 2.5, attempts: 1 };
  const run = (requests: number): void => {
    let nowMs = systemClock.nowMs();
    for (let request = 0; request < requests; request += 1) {
      nowMs += 0.05;
      state.admit();
      state.requestStarted(nowMs);
      const endpoint = state.pick(nowMs, null)!;
      state.tryStarted(endpoint, nowMs);
      const latencyMs = 2 + (request % 7) * 0.1;
      state.tryHead(endpoint, nowMs + latencyMs, latencyMs, 200);
      state.tryEnded(endpoint, nowMs + latencyMs, 'completed', latencyMs, 200);
      state.requestEnded(nowMs + latencyMs, outcome);
    }
  };
  run(200_000);
  const figures: number[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round += 1) {
    globalThis.gc?.();
    const heapBefore = process.memoryUsage().heapUsed;
    const startMs = systemClock.nowMs();
    run(REQUESTS);
    figures.push(((systemClock.nowMs() - startMs) * 1e6) / REQUESTS);
    bytes = Math.min(bytes, (process.memoryUsage().heapUsed - heapBefore) / REQUESTS);
  }
  figures.sort((a, b) => a - b);
  console.log(
    `${count} endpoints: ${figures[ROUNDS >> 1]!.toFixed(0)} ns a request (${figures[0]!.toFixed(0)}-${figures[ROUNDS - 1]!.toFixed(0)}), ${bytes.toFixed(2)} bytes`,
  );
}

for (const count of [1, 3, 1_000]) measure(count);
