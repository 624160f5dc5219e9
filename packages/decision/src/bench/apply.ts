/**
 * Applies 10,000 routes and 100,000 endpoints in slices, as a proxy would between events, then one change; prints the time
 * in all and the longest slice. Also the cost and the garbage of one decision.
 *
 *     node --expose-gc --max-semi-space-size=2 packages/decision/src/bench/apply.ts
 *
 * What is left of the longest slice is garbage collection: nearly all that is compiled survives, so a scavenge copies the
 * whole young generation. With V8's own size for it (16 MiB) that takes three times as long as with 2 MiB.
 */
import { seededRandom, systemClock, systemRandom } from '@weft/kernel';
import type { Resource, ResourceKey, RouteRule } from '@weft/model';
import { RouteDecision, type Tables, compileTablesInSlices, decide } from '../index.ts';
import { backendFixture, endpointsFixture, ruleFixture } from '../rule-fixture.ts';

const ROUTES = 10_000;
const BACKENDS = 1000;
const ENDPOINTS = 100;
const DECISIONS = 200_000;
/** What a proxy gives to compilation before it lets its event loop turn. */
const TURN_MS = 2;

const environment = { clock: systemClock, random: systemRandom, zone: '', namespace: 'shop' };
const resources = new Map<ResourceKey, { resource: Resource; hash: string }>();

for (const spread of [false, true]) {
  resources.clear();
  for (let index = 0; index < BACKENDS; index += 1) {
    put(backendFixture(`shop/s${index}:80`), '1');
    put(endpointsFixture(`shop/s${index}:80`, ENDPOINTS), '1');
  }
  const rules = Array.from({ length: ROUTES }, (_, index) => routeRule(index));
  if (spread)
    for (const [index, rule] of rules.entries()) put({ type: 'routes', name: `shop/s${index}:80`, rules: [rule] }, '1');
  else put({ type: 'routes', name: 'shop/edge:80', rules }, '1');
  const what = spread ? `${ROUTES} destinations of one route` : `one destination of ${ROUTES} routes`;
  const first = apply(`${what}, ${BACKENDS * ENDPOINTS} endpoints, new`, undefined);
  apply('the same again', first);
  put(endpointsFixture('shop/s7:80', ENDPOINTS + 1), '2');
  apply('one endpoint more', first);
  for (let index = 0; index < BACKENDS; index += 1) put(endpointsFixture(`shop/s${index}:80`, ENDPOINTS + 1), '3');
  apply('every endpoint set changed', first);
  measureDecisions(first, spread);
}

function put(resource: Resource, hash: string): void {
  resources.set(`${resource.type}:${resource.name}`, { resource, hash });
}

function routeRule(index: number): RouteRule {
  return ruleFixture({
    rule: String(index),
    matches: [
      { path: { type: 'PathPrefix', value: `/shop/r${index}` }, method: '', headers: [], queries: [], grpc: null },
    ],
    backends: [{ backend: `shop/s${index % BACKENDS}:80`, weight: 1, filters: [] }],
  });
}

function apply(title: string, previous: Tables | undefined): Tables {
  const slices = compileTablesInSlices(resources, previous, environment);
  const start = systemClock.nowMs();
  let longestSlice = 0;
  let longestTurn = 0;
  let turnStart = start;
  let last = start;
  for (;;) {
    const slice = slices.next();
    const now = systemClock.nowMs();
    longestSlice = Math.max(longestSlice, now - last);
    longestTurn = Math.max(longestTurn, now - turnStart);
    last = now;
    if (now - turnStart >= TURN_MS) turnStart = now;
    if (slice.done !== true) continue;
    const total = now - start;
    console.log(
      `${title}: ${total.toFixed(1)} ms in all, longest slice ${longestSlice.toFixed(2)} ms, longest turn of ${TURN_MS} ms ${longestTurn.toFixed(2)} ms`,
    );
    if (slice.value.errors.length > 0) throw new Error(slice.value.errors[0]!.message);
    return slice.value.tables;
  }
}

function measureDecisions(tables: Tables, spread: boolean): void {
  const random = seededRandom(5);
  const index = Math.floor(random() * ROUTES);
  const routes = tables.destination(spread ? `shop/s${index}:80` : 'shop/edge:80')!.routes;
  const view = { method: 'GET', authority: 'shop', path: `/shop/r${index}/7`, query: '', valueOf: () => undefined };
  const out = new RouteDecision();
  for (let round = 0; round < 2; round += 1)
    for (let turn = 0; turn < DECISIONS; turn += 1) decide(routes, view, random, out);
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  const start = systemClock.nowMs();
  for (let turn = 0; turn < DECISIONS; turn += 1) decide(routes, view, random, out);
  const ns = ((systemClock.nowMs() - start) * 1e6) / DECISIONS;
  const bytes = (process.memoryUsage().heapUsed - heap) / DECISIONS;
  console.log(
    `  one decision: ${ns.toFixed(0)} ns, ${bytes.toFixed(2)} bytes of garbage, ${out.kind} to ${out.backend?.key}`,
  );
}
