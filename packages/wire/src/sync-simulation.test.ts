/**
 * Both machines of Sync against each other on a network that delays, cuts and forgets, with a server that dies and comes
 * back, a proxy that refuses some versions and configuration that changes all the while. Everything follows from the seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, type Random, TimerWheel, seededRandom } from '@weft/kernel';
import type { Endpoint, Resource, ResourceKey } from '@weft/model';
import { EndpointDeltas } from './endpoint-delta.ts';
import { type VersionedResource, referencesOf, versionResource } from './resource-codec.ts';
import { SyncClient } from './sync-client.ts';
import type { AppliedChanges, Changes, Refusal, SyncStreamEvents } from './sync-handler.ts';
import { SyncHub } from './sync-hub.ts';
import { clientMessage } from './sync-message.ts';
import type { View } from './session-contract.ts';
import { SyncSession } from './sync-session.ts';
import { exampleEndpoints, exampleResources, exampleRule } from './wire-examples.ts';

const SEEDS = 1000;
const DESTINATIONS = ['d/a:80', 'd/b:80', 'd/c:80', 'd/d:80', 'd/e:80'];
const CHAOS_MS = 8000;
const QUIET_MS = 40_000;
const RULE = { ...exampleRule(), filters: [], matches: exampleRule().matches.slice(1) };
const BACKEND = exampleResources().find((resource) => resource.type === 'backend');
const ENDPOINTS = exampleEndpoints(12);

test(`${SEEDS} seeds: converged when quiet, closed under reference and unmixed at every moment, at most two unacknowledged`, () => {
  let deltas = 0;
  let reconnects = 0;
  let refusals = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const world = new World(seed);
    try {
      world.run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    deltas += world.deltasApplied;
    reconnects += world.sessionsOpened - 1;
    refusals += world.refusalsSaid;
  }
  // The chaos happened.
  assert.ok(deltas > SEEDS && reconnects > SEEDS && refusals > SEEDS / 10, `${deltas} ${reconnects} ${refusals}`);
});

interface Link {
  readonly toServer: (bytes: Buffer) => void;
  readonly cutAtServer: () => void;
  readonly cutAtClient: (reason: string) => void;
}

class World {
  deltasApplied = 0;
  sessionsOpened = 0;
  refusalsSaid = 0;
  private nowMs = 0;
  private readonly random: Random;
  private readonly clock: Clock;
  private readonly timers: TimerWheel;
  private readonly agenda: { readonly atMs: number; readonly act: () => void }[] = [];
  private readonly resources = new Map<ResourceKey, VersionedResource>();
  private readonly links = new Set<Link>();
  private readonly client: SyncClient;
  private readonly subscriptions = new Set<string>();
  private readonly refuses: boolean;
  private hub: SyncHub;
  private deltas = new EndpointDeltas();
  private serverUp = true;
  private chaos = true;
  private epoch = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.refuses = seed % 3 === 0;
    this.clock = { nowMs: () => this.nowMs, wallMs: () => this.nowMs };
    this.timers = new TimerWheel(this.clock);
    this.hub = new SyncHub(this.clock, this.timers);
    this.stampRoots();
    for (const destination of DESTINATIONS) this.create(destination);
    this.client = new SyncClient({
      workload: {
        namespace: 'd',
        name: 'caller',
        serviceAccount: 'caller',
        instance: 'caller-1',
        labels: [],
        node: '',
        zone: '',
        version: '0',
        ephemeral: false,
        service: '',
        weight: 0,
      },
      listeners: [],
      capabilities: [],
      gateway: '',
      connector: { open: (events) => this.connect(events) },
      handler: {
        apply: (changes) => this.apply(changes),
        missing: () => undefined,
        trustBundle: () => undefined,
        complete: () => undefined,
        drain: () => undefined,
        connection: () => undefined,
      },
      clock: this.clock,
      timers: this.timers,
      random: this.random,
    });
  }

  run(): void {
    this.client.start();
    while (this.nowMs < CHAOS_MS) {
      this.step(this.random() * 100);
      this.disturb();
    }
    this.chaos = false;
    if (!this.serverUp) this.restart();
    const end = this.nowMs + QUIET_MS;
    while (this.nowMs < end) this.step(200);
    this.judgeConverged();
  }

  /** Moves time, letting messages and timers that are due happen in their order. */
  private step(byMs: number): void {
    const until = this.nowMs + byMs;
    for (;;) {
      const next = this.agenda[0];
      if (next === undefined || next.atMs > until) break;
      this.agenda.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.timers.advance(this.nowMs);
      next.act();
      this.judge();
    }
    this.nowMs = until;
    this.timers.advance(until);
    this.judge();
  }

  private later(delayMs: number, act: () => void): void {
    const entry = { atMs: this.nowMs + delayMs, act };
    let index = this.agenda.length;
    // Stable: what was put in first happens first.
    while (index > 0 && (this.agenda[index - 1]?.atMs ?? 0) > entry.atMs) index -= 1;
    this.agenda.splice(index, 0, entry);
  }

  private disturb(): void {
    const draw = this.random();
    if (draw < 0.4) this.edit();
    else if (draw < 0.55) this.resubscribe();
    else if (draw < 0.62) for (const link of this.links) link.cutAtClient('reset');
    // The server's half lives on: it goes on sending into the void until it notices.
    else if (draw < 0.66) for (const link of this.links) this.later(this.random() * 4000, link.cutAtServer);
    else if (draw < 0.7) this.kill();
    else if (draw < 0.76 && !this.serverUp) this.restart();
    else if (draw < 0.8) this.client.reauthenticate();
  }

  private resubscribe(): void {
    const destination = DESTINATIONS[Math.floor(this.random() * DESTINATIONS.length)] ?? '';
    if (this.subscriptions.delete(destination)) {
      this.client.unsubscribe([destination]);
    } else {
      this.subscriptions.add(destination);
      this.client.subscribe([destination]);
    }
  }

  private edit(): void {
    const changed = new Set<ResourceKey>();
    for (let edits = 1 + Math.floor(this.random() * 3); edits > 0; edits -= 1) this.editOne(changed);
    if (this.serverUp) this.hub.changed([...changed]);
  }

  private editOne(changed: Set<ResourceKey>): void {
    const destination = DESTINATIONS[Math.floor(this.random() * DESTINATIONS.length)] ?? '';
    const draw = this.random();
    if (!this.resources.has(`backend:${destination}`)) {
      for (const key of this.create(destination)) changed.add(key);
    } else if (draw < 0.5) {
      changed.add(this.put({ type: 'endpoints', name: destination, endpoints: this.endpoints() }));
    } else if (draw < 0.75) {
      changed.add(this.putRoutes(destination));
    } else if (draw < 0.9) {
      for (const key of this.stampRoots()) changed.add(key);
    } else {
      for (const type of ['routes', 'backend', 'endpoints'] as const) {
        this.resources.delete(`${type}:${destination}`);
        changed.add(`${type}:${destination}`);
      }
      // The view stays closed: whoever named it is written anew.
      for (const other of DESTINATIONS) {
        const routes = this.resources.get(`routes:${other}`);
        if (routes?.references.includes(`backend:${destination}`) === true) changed.add(this.putRoutes(other));
      }
    }
  }

  private create(destination: string): ResourceKey[] {
    assert.ok(BACKEND?.type === 'backend');
    const endpoints = this.put({ type: 'endpoints', name: destination, endpoints: this.endpoints() });
    const backend = this.put({ ...BACKEND, name: destination });
    return [endpoints, backend, this.putRoutes(destination)];
  }

  private putRoutes(destination: string): ResourceKey {
    const backends = DESTINATIONS.filter(
      (other) => this.resources.has(`backend:${other}`) && (other === destination || this.random() < 0.3),
    );
    this.epoch += 1;
    const rule = {
      ...RULE,
      rule: `r${this.epoch}`,
      backends: backends.map((backend) => ({ backend, weight: 1, filters: [] })),
    };
    return this.put({ type: 'routes', name: destination, rules: [rule] });
  }

  private endpoints(): Endpoint[] {
    this.epoch += 1;
    return ENDPOINTS.filter((_, index) => index % 4 !== this.epoch % 4 || this.random() < 0.5).map((endpoint, index) =>
      index === this.epoch % ENDPOINTS.length ? { ...endpoint, weight: this.epoch } : endpoint,
    );
  }

  /** Two resources that always change together. */
  private stampRoots(): ResourceKey[] {
    this.epoch += 1;
    return [
      this.put({
        type: 'mesh',
        name: 'default',
        trustDomain: `v${this.epoch}`,
        trustDomainAliases: [],
        egress: 'AllowAny',
        gatewayProxyProtocol: false,
      }),
      this.put({ type: 'inbound', name: 'd/caller', identity: `v${this.epoch}`, ports: [], telemetry: null }),
    ];
  }

  private put(resource: Resource): ResourceKey {
    const version = versionResource(resource);
    this.resources.set(version.key, version);
    return version.key;
  }

  private kill(): void {
    this.serverUp = false;
    for (const link of this.links) {
      link.cutAtServer();
      link.cutAtClient('the server died');
    }
    this.hub = new SyncHub(this.clock, this.timers);
    this.deltas = new EndpointDeltas();
  }

  private restart(): void {
    this.serverUp = true;
  }

  /** A stream: ordered in each direction, each message late by its own time, all of them lost when it is cut. */
  private connect(events: SyncStreamEvents): { send(message: Buffer): void; close(): void } {
    let clientOpen = true;
    let serverOpen = true;
    let session: SyncSession | null = null;
    let upMs = this.nowMs;
    let downMs = this.nowMs;
    const hub = this.hub;
    const link: Link = {
      toServer: (bytes) => {
        if (!serverOpen || !this.serverUp || hub !== this.hub) {
          link.cutAtServer();
          link.cutAtClient('refused');
          return;
        }
        const decoded = clientMessage.decode(bytes);
        assert.ok(decoded.ok);
        if (session !== null) {
          session.receive(decoded.value);
          return;
        }
        assert.ok(decoded.value.type === 'hello');
        session = this.openSession(decoded.value.hello, toClient, () => link.cutAtServer());
        hub.add(session);
        session.start();
      },
      cutAtServer: () => {
        if (!serverOpen) return;
        serverOpen = false;
        if (session !== null) {
          session.finish();
          hub.remove(session);
        }
        this.later(this.random() * 50, () => link.cutAtClient('cut by the server'));
        this.links.delete(link);
      },
      cutAtClient: (reason) => {
        if (!clientOpen) return;
        clientOpen = false;
        this.later(this.random() * 3000, link.cutAtServer);
        events.closed(reason);
      },
    };
    const toClient = (bytes: Buffer): boolean => {
      downMs = Math.max(downMs, this.nowMs + this.latencyMs());
      this.later(downMs - this.nowMs, () => {
        if (clientOpen) events.message(bytes);
      });
      if (this.random() < 0.9) return true;
      this.later(this.random() * 20, () => session?.drained());
      return false;
    };
    this.links.add(link);
    return {
      send: (bytes) => {
        if (!clientOpen) return;
        upMs = Math.max(upMs, this.nowMs + this.latencyMs());
        this.later(upMs - this.nowMs, () => link.toServer(bytes));
      },
      close: () => {
        clientOpen = false;
        this.later(this.random() * 3000, link.cutAtServer);
      },
    };
  }

  private openSession(hello: SyncSession['hello'], write: (bytes: Buffer) => boolean, close: () => void): SyncSession {
    this.sessionsOpened += 1;
    const roots: ResourceKey[] = ['mesh:default', 'inbound:d/caller'];
    const view: View = { roots: () => roots, lookup: (key) => this.resources.get(key) };
    return new SyncSession(
      view,
      hello,
      { write, close },
      {
        server: 'control',
        session: `s${this.sessionsOpened}`,
        mesh: 'sim',
        reportIntervalMs: 10_000,
        ackTimeoutMs: 5000,
        // Small, so that transactions are cut; the roots, which must not be parted, are smaller still.
        transactionBytes: 600,
        trustBundle: null,
        deltas: this.deltas,
        timers: this.timers,
      },
    );
  }

  private latencyMs(): number {
    const slow = this.chaos && this.random() < 0.05;
    return this.random() * (slow ? 2000 : 10);
  }

  private apply(changes: Changes): AppliedChanges | Promise<AppliedChanges> {
    this.deltasApplied += changes.upserted.filter(
      ({ key, previous }) => key.startsWith('endpoints:') && previous,
    ).length;
    const errors: Refusal[] = [];
    for (const { key, hash } of changes.upserted) {
      if (this.poisoned(key, hash)) errors.push({ key, code: 'Invalid', message: 'refused by the simulation' });
    }
    for (const { key, resource } of changes.upserted) {
      const lost = referencesOf(resource).find(
        (reference) => errors.some((error) => error.key === reference) && !this.client.resources.has(reference),
      );
      if (lost !== undefined) errors.push({ key, code: 'MissingReference', message: lost });
    }
    this.refusalsSaid += errors.length;
    return { errors };
  }

  private poisoned(key: string, hash: string): boolean {
    return this.refuses && !key.startsWith('mesh') && !key.startsWith('inbound') && hash.endsWith('0');
  }

  /** What must hold at every moment. */
  private judge(): void {
    const held = this.client.resources;
    for (const [key, { resource }] of held) {
      for (const reference of referencesOf(resource)) assert.ok(held.has(reference), `${key} without ${reference}`);
    }
    const mesh = held.get('mesh:default')?.resource;
    const inbound = held.get('inbound:d/caller')?.resource;
    if (mesh?.type === 'mesh' && inbound?.type === 'inbound') assert.equal(mesh.trustDomain, inbound.identity);
    const everything = 2 + 3 * DESTINATIONS.length;
    for (const session of this.hub.sessions) {
      assert.ok(session.unacknowledgedCount <= 2);
      assert.ok(session.dirtyCount <= everything, `${session.dirtyCount} dirty`);
    }
  }

  private judgeConverged(): void {
    assert.equal(this.client.connection.state, 'connected');
    const held = this.client.resources;
    const wanted = new Set<ResourceKey>(['mesh:default', 'inbound:d/caller']);
    for (const destination of this.subscriptions) {
      const routes = this.resources.get(`routes:${destination}`);
      if (routes === undefined) continue;
      for (const key of [routes.key, ...routes.references]) wanted.add(key);
    }
    for (const key of wanted) {
      const current = this.resources.get(key);
      assert.ok(current !== undefined);
      if (this.poisoned(key, current.hash)) continue;
      if (current.references.some((reference) => !held.has(reference))) continue;
      assert.equal(held.get(key)?.hash, current.hash, `${key} is not the newest`);
      // What a delta made is what the whole would have been.
      const resource = held.get(key)?.resource;
      assert.ok(resource !== undefined && versionResource(resource).hash === current.hash, `${key} differs`);
    }
    const needed = new Set<string>();
    for (const { resource } of held.values()) for (const key of referencesOf(resource)) needed.add(key);
    // A refused route that an earlier stream brought is known to the server by hash only: it keeps all backends meanwhile.
    for (const [key, { hash }] of held) if (key.startsWith('routes:') && this.resources.get(key)?.hash !== hash) return;
    for (const key of held.keys()) assert.ok(wanted.has(key) || needed.has(key), `${key} was left behind`);
  }
}
