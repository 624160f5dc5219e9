/**
 * Configuration that changes under load: transactions of any order and content arrive at a data plane while requests are
 * picked, run and end. Sync by itself and balancing by itself are simulated in their own packages; this is where they meet.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { EndpointState } from '@weft/balance';
import type { BackendState } from '@weft/decision';
import type { Random } from '@weft/kernel';
import type { Endpoint, Resource, ResourceKey } from '@weft/model';
import { FakeClock, forEachSeed } from '@weft/testkit';
import type { ChangedResource } from '@weft/wire';
import {
  PlaneFixture,
  ResourceStore,
  backendPolicy,
  plainEndpoint,
  routeRule,
} from '../../packages/proxy/src/fixture/plane-fixture.ts';

const SEEDS = Number(process.env['WEFT_SEEDS'] ?? 1_000);
const STEPS = 40;
const SERVICES = ['a', 'b', 'c'];

interface Running {
  readonly backend: BackendState;
  readonly endpoint: EndpointState;
  readonly startMs: number;
}

function pickOne<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!;
}

function someEndpoints(random: Random, service: string): Endpoint[] {
  return Array.from({ length: 6 }, (_, index) => index)
    .filter(() => random() < 0.6)
    .map((index) => ({ ...plainEndpoint(1000 + index, `${service}-${index}`), weight: random() < 0.1 ? 0 : 100 }));
}

/** A route of `service`; one in ten cannot be compiled and must be refused alone. */
function someRoutes(random: Random, service: string): Resource {
  const bad = random() < 0.1;
  const path = bad
    ? ({ type: 'RegularExpression', value: '(' } as const)
    : ({ type: 'PathPrefix', value: `/${Math.floor(random() * 3)}` } as const);
  return {
    type: 'routes',
    name: `shop/${service}:80`,
    rules: [
      routeRule({
        matches: [{ path, method: '', headers: [], queries: [], grpc: null }],
        backends: [{ backend: `shop/${pickOne(random, SERVICES)}:80`, weight: 1, filters: [] }],
      }),
    ],
  };
}

it(`holds for ${SEEDS} seeds: picks are of what is in force, what is refused keeps its last good form, nothing leaks`, async () => {
  await forEachSeed(SEEDS, async (random, seed) => {
    const clock = new FakeClock({ startMs: 1_000 });
    const fixture = new PlaneFixture({ clock, wheel: clock.wheel(), random });
    const { plane } = fixture;
    const store = new ResourceStore(new Map());
    const good = new Map<ResourceKey, Resource>();
    const running: Running[] = [];
    let version = 0;
    try {
      for (let step = 0; step < STEPS; step += 1) {
        clock.advance(Math.floor(random() * 3_000));
        plane.tick();
        const upserted: ChangedResource[] = [];
        const removed: ResourceKey[] = [];
        for (const service of SERVICES) {
          const name = `shop/${service}:80`;
          const put = (resource: Resource): void => {
            version += 1;
            const key: ResourceKey = `${resource.type}:${resource.name}`;
            upserted.push({
              key,
              hash: version.toString(16).padStart(16, '0'),
              resource,
              previous: good.get(key) ?? null,
            });
          };
          if (random() < 0.3) put({ type: 'endpoints', name, endpoints: someEndpoints(random, service) });
          if (random() < 0.2 || step === 0) {
            const type = pickOne(random, ['PeakEwma', 'LeastRequest', 'RoundRobin', 'Random'] as const);
            put(backendPolicy({ name, loadBalancer: { ...backendPolicy().loadBalancer, type } }));
          }
          if (random() < 0.2) put(someRoutes(random, service));
          else if (random() < 0.05) removed.push(`routes:${name}`);
        }
        const { errors } = await store.change({ upserted, removed }, (next) => plane.apply(next), clock.wallMs());
        const refused = new Set(errors.map(({ key }) => key));
        for (const key of removed) good.delete(key);
        for (const { key, resource } of upserted) if (!refused.has(key)) good.set(key, resource);
        for (const { key, resource } of upserted) {
          const isBad = resource.type === 'routes' && resource.rules[0]!.matches[0]!.path.type === 'RegularExpression';
          assert.equal(refused.has(key), isBad, `step ${step}: ${key}`);
        }
        // In force and in store: exactly the last good form of everything.
        assert.deepEqual([...store.resources.keys()].sort(), [...good.keys()].sort());
        for (const [key, resource] of good) assert.equal(store.resources.get(key)!.resource, resource);
        for (const service of SERVICES) {
          const name = `shop/${service}:80`;
          assert.equal(plane.tables.destination(name) !== undefined, good.has(`routes:${name}`), name);
        }
        for (const backend of plane.tables.backends()) {
          const set = good.get(`endpoints:${backend.key}`);
          const wanted = set?.type === 'endpoints' ? set.endpoints.map(({ key }) => key).sort() : [];
          assert.deepEqual(backend.endpoints.map(({ endpoint }) => endpoint.key).sort(), wanted);
          for (let request = 0; request < 3; request += 1) {
            if (backend.admit() !== undefined) continue;
            const endpoint = backend.pick(plane.nowMs, null, true);
            assert.equal(endpoint === undefined, wanted.length === 0, `step ${step}: ${backend.key}`);
            if (endpoint === undefined) continue;
            assert.ok(wanted.includes(endpoint.endpoint.key) && !endpoint.removed);
            backend.requestStarted(plane.nowMs);
            backend.tryStarted(endpoint, plane.nowMs);
            running.push({ backend, endpoint, startMs: plane.nowMs });
          }
        }
        // Requests that began under any snapshot end, on endpoints that may be gone by now.
        while (running.length > 0 && random() < 0.7) finish(running, plane.nowMs, random);
      }
      while (running.length > 0) finish(running, plane.nowMs, random);
      for (const backend of plane.tables.backends()) {
        assert.equal(backend.activeRequests, 0);
        for (const { inFlight } of backend.endpoints) assert.equal(inFlight, 0, `seed ${seed}`);
      }
    } finally {
      fixture.close();
    }
  });
});

function finish(running: Running[], nowMs: number, random: Random): void {
  const [{ backend, endpoint, startMs }] = running.splice(Math.floor(random() * running.length), 1) as [Running];
  const failed = random() < 0.2;
  const latencyMs = nowMs - startMs;
  if (!failed) backend.tryHead(endpoint, nowMs, latencyMs, 200, -1, '');
  backend.tryEnded(endpoint, nowMs, failed ? 'upstream-reset' : 'completed', latencyMs, failed ? 0 : 200, -1);
  backend.requestEnded(nowMs, { failed, latencyMs, attempts: 1 });
}
