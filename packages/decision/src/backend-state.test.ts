import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EndpointState, TriedEndpoints } from '@weft/balance';
import { type Clock, seededRandom } from '@weft/kernel';
import type { Backend, Endpoint, EndpointSet } from '@weft/model';
import { BackendState, type BackendTransition } from './backend-state.ts';
import { defaultBackend, endpointSet } from './backend-state-simulation.ts';

interface World {
  readonly state: BackendState;
  readonly events: BackendTransition[];
  readonly clock: { now: number };
}

function newWorld(
  backend: Backend = defaultBackend,
  endpoints: EndpointSet | undefined = endpointSet(3),
  workers = 1,
): World {
  const clock = { now: 1_000 };
  const port: Clock = { nowMs: () => clock.now, wallMs: () => clock.now };
  const state = new BackendState(backend, endpoints, { clock: port, random: seededRandom(1), zone: '', workers });
  const events: BackendTransition[] = [];
  state.onTransition = (event) => events.push(event);
  return { state, events, clock };
}

function endpointOf(state: BackendState, key: string): EndpointState {
  const found = state.endpoints.find((endpoint) => endpoint.key === key);
  assert.ok(found !== undefined, `no endpoint ${key}`);
  return found;
}

/** One try with a response head and a whole body. */
function answerTry(state: BackendState, endpoint: EndpointState, nowMs: number, latencyMs: number, status = 200): void {
  state.tryStarted(endpoint, nowMs - latencyMs);
  state.tryHead(endpoint, nowMs, latencyMs, status);
  state.tryEnded(endpoint, nowMs, 'completed', latencyMs, status);
}

function failOften(state: BackendState, key: string, nowMs: number, status = 503): void {
  for (let failure = 0; failure < 5; failure += 1) answerTry(state, endpointOf(state, key), nowMs, 1, status);
}

test('a backend whose endpoints are unknown, or none, refuses with no-endpoint', () => {
  for (const endpoints of [undefined, endpointSet(0)]) {
    const { state } = newWorld(defaultBackend, endpoints);
    state.update(defaultBackend, endpoints);
    const empty = new BackendState(defaultBackend, endpoints, {
      clock: { nowMs: () => 0, wallMs: () => 0 },
      random: seededRandom(1),
      zone: '',
    });
    assert.equal(empty.pick(0, null), undefined);
    assert.equal(empty.refusal, 'no-endpoint');
  }
});

test('what is known of an endpoint stays with its key when the set changes', () => {
  const { state } = newWorld();
  const before = endpointOf(state, 'b');
  state.tryStarted(before, 1_000);
  const moved: Partial<Endpoint> = { address: '10.9.9.9', weight: 4 };
  state.update(
    defaultBackend,
    endpointSet(4, (index) => (index === 1 ? moved : {})),
  );
  const after = endpointOf(state, 'b');
  assert.equal(after, before);
  assert.deepEqual([after.inFlight, after.endpoint.address, after.endpoint.weight], [1, '10.9.9.9', 4]);
  assert.equal(state.endpoints.length, 4);
});

test('a removed endpoint lives on for its exchanges and draws nothing more', () => {
  const { state, events } = newWorld();
  const gone = endpointOf(state, 'c');
  state.tryStarted(gone, 1_000);
  state.update(defaultBackend, endpointSet(2));
  assert.equal(gone.removed, true);
  for (let pick = 0; pick < 200; pick += 1) assert.notEqual(state.pick(1_001, null), gone);
  state.tryHead(gone, 1_002, 2, 503);
  state.tryEnded(gone, 1_003, 'completed', 3, 503);
  assert.equal(gone.inFlight, 0);
  assert.deepEqual(events, []);
  state.update(defaultBackend, endpointSet(3));
  assert.notEqual(endpointOf(state, 'c'), gone);
});

test('removing an ejected endpoint frees its place under the cap', () => {
  const { state } = newWorld();
  failOften(state, 'a', 1_000);
  failOften(state, 'b', 1_000);
  assert.deepEqual([endpointOf(state, 'a').ejected, endpointOf(state, 'b').ejected], [true, false]);
  const { endpoints } = endpointSet(4);
  state.update(defaultBackend, { ...endpointSet(0), endpoints: endpoints.slice(1) });
  failOften(state, 'b', 1_001);
  assert.equal(endpointOf(state, 'b').ejected, true);
});

test('the cap on requests refuses, and workers share it', () => {
  const { state } = newWorld({ ...defaultBackend, maxRequests: 4 }, endpointSet(3), 2);
  state.requestStarted(0);
  assert.equal(state.admit(), undefined);
  state.requestStarted(0);
  assert.equal(state.admit(), 'request-limit');
  assert.equal(state.refusal, 'request-limit');
  state.requestEnded(1, { failed: false, latencyMs: 1, attempts: 1 });
  assert.equal(state.admit(), undefined);
});

test('when every endpoint is full the request is refused as waiting for a connection', () => {
  const { state } = newWorld();
  for (const endpoint of state.endpoints) endpoint.full = true;
  assert.equal(state.pick(0, null), undefined);
  assert.equal(state.refusal, 'pending-limit');
});

test('a retry goes to another endpoint, and to the same one when there is no other', () => {
  const { state } = newWorld(defaultBackend, endpointSet(2));
  for (let round = 0; round < 50; round += 1) {
    const tried = new TriedEndpoints();
    const first = state.pick(1_000, tried);
    assert.ok(first !== undefined);
    tried.add(first);
    const second = state.pick(1_000, tried);
    assert.notEqual(second, first);
    tried.add(second!);
    assert.ok(state.pick(1_000, tried) !== undefined);
  }
});

test('an ejection is announced with its end, is not picked, and is probed by one request when its time is over', () => {
  const { state, events } = newWorld();
  failOften(state, 'b', 1_000);
  assert.equal(events.length, 1);
  const { type, backend, endpoint, atMs, untilMs } = events[0]!;
  assert.deepEqual([type, backend, endpoint, atMs], ['ejected', 'shop/orders:80', 'b', 1_000]);
  assert.ok(untilMs >= 9_000 && untilMs <= 11_000);
  const b = endpointOf(state, 'b');
  for (let pick = 0; pick < 200; pick += 1) assert.notEqual(state.pick(untilMs - 1, null), b);
  assert.equal(state.snapshot(untilMs - 1).endpoints[1]!.state, 'ejected');
  assert.equal(state.pick(untilMs, null), b);
  state.tryStarted(b, untilMs);
  assert.equal(state.snapshot(untilMs + 1).endpoints[1]!.state, 'probing');
  for (let pick = 0; pick < 200; pick += 1) assert.notEqual(state.pick(untilMs + 1, null), b);
  state.tryHead(b, untilMs + 4, 4, 200);
  state.tryEnded(b, untilMs + 5, 'completed', 5, 200);
  assert.equal(events.at(-1)!.type, 'restored');
  assert.equal(state.snapshot(untilMs + 6).endpoints[1]!.state, 'healthy');
  assert.equal(state.snapshot(untilMs + 4).endpoints[1]!.latencyMs, 4);
});

test('a probe is known as such by its duration, whatever rounding does to it', () => {
  const random = seededRandom(9);
  for (let round = 0; round < 300; round += 1) {
    const { state, events } = newWorld();
    failOften(state, 'b', random() * 10);
    const b = endpointOf(state, 'b');
    const sentMs = events[0]!.untilMs + random();
    const answeredMs = sentMs * (1 + random() * 10);
    state.tryStarted(b, sentMs);
    state.tryHead(b, answeredMs, answeredMs - sentMs, 200);
    assert.equal(b.ejected, false, `sent at ${sentMs}, answered at ${answeredMs}`);
  }
});

test('a retry is no probe, and a request that can not be retried is one only when no other came in time', () => {
  const { state, events } = newWorld();
  failOften(state, 'b', 1_000);
  const dueMs = events[0]!.untilMs;
  const b = endpointOf(state, 'b');
  const tried = new TriedEndpoints();
  tried.add(endpointOf(state, 'a'));
  assert.notEqual(state.pick(dueMs, tried), b);
  assert.notEqual(state.pick(dueMs + 999, null, false), b);
  assert.equal(state.pick(dueMs + 1_000, null, false), b);
});

test('endings before the head count by their row: connect, reset and timeout do, the caller and our own limits do not', () => {
  const rows = [
    ['connect-refused', 1],
    ['connect-timeout', 1],
    ['tls-failed', 1],
    ['upstream-reset', 1],
    ['try-timeout', 1],
    ['request-timeout', 1],
    ['downstream-reset', 0],
    ['pending-limit', 0],
    ['draining', 0],
    ['stream-refused', 0],
  ] as const;
  for (const [code, failures] of rows) {
    const { state } = newWorld();
    const a = endpointOf(state, 'a');
    state.tryStarted(a, 1_000);
    state.tryEnded(a, 1_010, code, 10);
    assert.deepEqual([a.failures, a.consecutiveErrors, a.inFlight], [failures, failures, 0], code);
  }
});

test('4xx and Upgrades teach nothing about speed; a caller that gives up shows at least how long it waited', () => {
  const { state } = newWorld();
  const a = endpointOf(state, 'a');
  answerTry(state, a, 1_000, 10);
  for (const status of [404, 429, 101]) answerTry(state, a, 1_000, 500, status);
  assert.equal(a.latencyMs, 10);
  state.tryStarted(a, 1_000);
  state.tryEnded(a, 3_000, 'downstream-reset', 2_000);
  assert.equal(a.latencyMs, 2_000);
});

test('a 503 that is delivered counts once, and costs a second however fast it was', () => {
  const { state } = newWorld();
  const a = endpointOf(state, 'a');
  answerTry(state, a, 1_000, 0.3, 503);
  assert.deepEqual([a.failures, a.consecutiveErrors, a.latencyMs], [1, 1, 1_000]);
});

test('a refusal of the peer sidecar counts only when its application failed', () => {
  const { state } = newWorld();
  const [a, b, c] = ['a', 'b', 'c'].map((key) => endpointOf(state, key)) as [
    EndpointState,
    EndpointState,
    EndpointState,
  ];
  for (const [endpoint, refused] of [
    [a, 'connect-refused'],
    [b, 'request-limit'],
    [c, 'denied'],
  ] as const) {
    answerTry(state, endpoint, 1_000, 10);
    state.tryStarted(endpoint, 1_000);
    state.tryHead(endpoint, 1_001, 1, 503, -1, refused);
    state.tryEnded(endpoint, 1_001, 'completed', 1, 503);
  }
  assert.deepEqual([a.failures, b.failures, c.failures], [1, 0, 0]);
  assert.deepEqual([a.latencyMs, b.latencyMs, c.latencyMs], [1_000, 1_000, 10]);
});

test('gRPC UNAVAILABLE in trailers is a failure as often as one in the head', () => {
  const { state } = newWorld();
  for (let call = 0; call < 5; call += 1) {
    const a = endpointOf(state, 'a');
    state.tryStarted(a, 1_000);
    state.tryHead(a, 1_001, 1, 200, 14);
    state.tryEnded(a, 1_001, 'completed', 1, 200);
  }
  assert.equal(endpointOf(state, 'a').ejected, true);
  const other = newWorld().state;
  for (let call = 0; call < 5; call += 1) {
    const a = endpointOf(other, 'a');
    other.tryStarted(a, 1_000);
    other.tryHead(a, 1_001, 1, 200);
    other.tryEnded(a, 1_005, 'completed', 5, 200, 14);
  }
  assert.equal(endpointOf(other, 'a').ejected, true);
});

test('failures at the head and in the trailers are one count, by turns as in a row', () => {
  for (const [status, headGrpcStatus] of [
    [503, -1],
    [200, 14],
  ] as const) {
    const { state } = newWorld();
    const a = endpointOf(state, 'a');
    for (let call = 0; call < 5; call += 1) {
      assert.equal(a.ejected, false);
      const byTrailers = call % 2 === 1;
      state.tryStarted(a, 1_000);
      const worked = state.tryHead(a, 1_001, 1, byTrailers ? 200 : status, byTrailers ? -1 : headGrpcStatus);
      assert.equal(worked, byTrailers);
      state.tryEnded(a, 1_002, 'completed', 2, byTrailers ? 200 : status, byTrailers ? 14 : -1, worked);
    }
    assert.equal(a.ejected, true);
  }
});

test('a response that ends well forgives what came before it, whichever way that failed', () => {
  const { state } = newWorld();
  const a = endpointOf(state, 'a');
  for (let round = 0; round < 5; round += 1) {
    for (let failure = 0; failure < 4; failure += 1) {
      const byTrailers = failure % 2 === 1;
      state.tryStarted(a, 1_000);
      const worked = state.tryHead(a, 1_001, 1, byTrailers ? 200 : 503);
      state.tryEnded(a, 1_002, 'completed', 2, byTrailers ? 200 : 503, byTrailers ? 14 : -1, worked);
    }
    answerTry(state, a, 1_003, 1);
    assert.equal(a.consecutiveErrors + a.consecutiveCuts + a.forgivenErrors, 0);
  }
  assert.equal(a.ejected, false);
});

/** So many final outcomes, with the endpoints' own tries. */
function failRequests(state: BackendState, count: number, nowMs: number): void {
  for (let request = 0; request < count; request += 1) {
    state.requestStarted(nowMs);
    const endpoint = state.pick(nowMs, null);
    if (endpoint !== undefined) answerTry(state, endpoint, nowMs, 1, 503);
    state.requestEnded(nowMs, { failed: true, latencyMs: 1, attempts: endpoint === undefined ? 0 : 1 });
  }
}

test('the breaker is asked only when no endpoint is healthy, and closes as soon as one is', () => {
  const { state, events } = newWorld();
  failRequests(state, 60, 1_000);
  assert.equal(state.pick(1_000, null), undefined);
  assert.equal(state.refusal, 'circuit-open');
  assert.deepEqual(
    events.filter((event) => event.endpoint === '').map((event) => [event.type, event.untilMs]),
    [['opened', 6_000]],
  );
  // An instance that nobody knows yet is healthy.
  state.update(defaultBackend, endpointSet(8));
  assert.ok(state.pick(1_001, null) !== undefined);
  assert.equal(events.at(-1)!.type, 'closed');
});

test('requests refused here are no outcomes of the service', () => {
  const { state } = newWorld();
  failRequests(state, 60, 1_000);
  const { requests } = state.snapshot(1_000).breaker;
  failRequests(state, 60, 1_001);
  assert.equal(state.snapshot(1_001).breaker.requests, requests);
});

test('with neither ejection nor health checks the breaker decides alone', () => {
  const { state } = newWorld({ ...defaultBackend, outlierDetection: null });
  failRequests(state, 20, 1_000);
  assert.equal(state.pick(1_000, null), undefined);
  assert.equal(state.refusal, 'circuit-open');
});

test('what is slower than the breaker allows fails the endpoint, so that the breaker is asked', () => {
  const backend: Backend = {
    ...defaultBackend,
    circuitBreaker: { ...defaultBackend.circuitBreaker!, slowerThanMs: 2_000 },
  };
  const { state } = newWorld(backend);
  for (let request = 0; request < 40; request += 1) {
    state.requestStarted(1_000);
    const endpoint = state.pick(1_000, null);
    if (endpoint === undefined) break;
    answerTry(state, endpoint, 4_000, 3_000);
    state.requestEnded(4_000, { failed: false, latencyMs: 3_000, attempts: 1 });
  }
  assert.equal(state.pick(4_000, null), undefined);
  assert.equal(state.refusal, 'circuit-open');
});

test('health checks take endpoints out and bring them back; below the panic threshold all are used', () => {
  const healthCheck = {
    type: 'Tcp' as const,
    path: '',
    statuses: [],
    intervalMs: 5_000,
    timeoutMs: 1_000,
    unhealthyAfter: 2,
    healthyAfter: 1,
  };
  const { state, events } = newWorld({ ...defaultBackend, healthCheck, outlierDetection: null, circuitBreaker: null });
  const pickedKeys = (): string => {
    const keys = new Set<string>();
    for (let pick = 0; pick < 200; pick += 1) keys.add(state.pick(1_000, null)!.key);
    return [...keys].sort().join('');
  };
  const check = (key: string, passed: boolean): void => state.healthChecked(endpointOf(state, key), 1_000, passed);
  check('a', false);
  assert.equal(pickedKeys(), 'abc');
  check('a', false);
  assert.equal(pickedKeys(), 'bc');
  check('b', false);
  check('b', false);
  assert.equal(state.snapshot(1_000).panic, true);
  assert.equal(pickedKeys(), 'abc');
  check('a', true);
  assert.equal(pickedKeys(), 'ac');
  assert.deepEqual(
    events.map((event) => `${event.type} ${event.endpoint}`),
    ['unhealthy a', 'unhealthy b', 'healthy a'],
  );
  state.update({ ...defaultBackend, circuitBreaker: null }, endpointSet(3));
  assert.equal(pickedKeys(), 'abc');
});

test('an instance that joins starts slowly, the first ones do not', () => {
  const backend: Backend = {
    ...defaultBackend,
    loadBalancer: { ...defaultBackend.loadBalancer, slowStartMs: 30_000 },
  };
  const { state, clock } = newWorld(backend);
  assert.equal(state.snapshot(1_000).endpoints[0]!.state, 'healthy');
  clock.now = 2_000;
  state.update(backend, endpointSet(4));
  const { state: standing, untilMs } = state.snapshot(2_000).endpoints[3]!;
  assert.deepEqual([standing, untilMs], ['slow-start', 32_000]);
  assert.equal(state.snapshot(32_000).endpoints[3]!.state, 'healthy');
});

test('the budget counts requests and retries of the whole service', () => {
  const { state } = newWorld();
  const policy = { percent: 20, minimumPerSecond: 1, windowMs: 10_000 };
  for (let request = 0; request < 100; request += 1) state.requestStarted(1_000);
  let spent = 0;
  for (; state.canRetry(1_000, policy); spent += 1) state.retrySpent(1_000);
  assert.equal(spent, 20);
  assert.deepEqual(state.snapshot(1_000).budget, { requests: 100, retries: 20 });
  assert.equal(state.snapshot(1_000).activeRequests, 100);
});

test('ending a try or a request twice is a mistake', () => {
  const { state } = newWorld();
  assert.throws(() => state.tryEnded(endpointOf(state, 'a'), 1_000, 'completed', 1, 200));
  assert.throws(() => state.requestEnded(1_000, { failed: false, latencyMs: 1, attempts: 1 }));
});
