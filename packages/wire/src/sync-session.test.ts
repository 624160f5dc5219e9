import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '@weft/kernel';
import type { ResourceKey } from '@weft/model';
import { EndpointDeltas } from './endpoint-delta.ts';
import { type VersionedResource, versionResource } from './resource-codec.ts';
import { SyncHub } from './sync-hub.ts';
import { type HeldResource, type ResourceError, type Transaction, serverMessage } from './sync-message.ts';
import { SyncSession } from './sync-session.ts';
import { exampleEndpoints, exampleResources, exampleRule } from './wire-examples.ts';

const ROUTES = 'routes:shop/orders:80';
const BACKEND = 'backend:shop/orders:80';
const ENDPOINTS = 'endpoints:shop/orders:80';

test('a proxy whose digest is up to date is sent nothing but Welcome and that it is complete', () => {
  const keys: ResourceKey[] = ['mesh:default', ROUTES, BACKEND, ENDPOINTS];
  const world = open(
    (resources) => keys.map((key) => ({ key, hash: resources.get(key)?.hash ?? '' })),
    ['shop/orders:80'],
  );
  assert.deepEqual(world.take(), [
    { id: 1, upserts: [], endpointDeltas: [], removed: [], missing: [], complete: true },
  ]);
});

test('a proxy whose digest is older is sent the differences only, and loses what is no longer wanted after that', () => {
  const world = open(
    (resources) => [
      { key: 'mesh:default', hash: resources.get('mesh:default')?.hash ?? '' },
      { key: ROUTES, hash: '00000000000000ff' },
      { key: 'backend:shop/gone:80', hash: '00000000000000aa' },
    ],
    ['shop/orders:80'],
  );
  const [first, none] = world.take();
  assert.deepEqual(first?.upserts, [ENDPOINTS, BACKEND, ROUTES]);
  assert.deepEqual([first?.removed, none], [[], undefined]);
  world.ack(1);
  assert.deepEqual(world.take()[0]?.removed, ['backend:shop/gone:80']);
});

test('changes of one endpoint travel as a delta, and no more than two transactions await an acknowledgement', () => {
  const world = open(() => [], ['shop/orders:80']);
  world.take();
  world.ack(1);
  for (let weight = 1; weight <= 5; weight += 1) world.setWeight(weight);
  const sent = world.take();
  assert.deepEqual(
    sent.map(({ id, endpointDeltas, upserts }) => ({ id, endpointDeltas, upserts })),
    [
      { id: 2, endpointDeltas: [[ENDPOINTS, 1]], upserts: [] },
      { id: 3, endpointDeltas: [[ENDPOINTS, 1]], upserts: [] },
    ],
  );
  world.ack(2);
  // What came in between was never a message: only the newest is sent.
  assert.deepEqual(
    world.take().map(({ id }) => id),
    [4],
  );
  world.ack(3);
  world.ack(4);
  assert.equal(world.session.inForce(ENDPOINTS), world.resources.get(ENDPOINTS)?.hash);
  assert.deepEqual(world.take(), []);
});

test('a full port is respected: nothing is written until it has drained, then the newest only', () => {
  const world = open(() => [], ['shop/orders:80']);
  world.take();
  world.ack(1);
  world.port.accepts = false;
  world.setWeight(1);
  assert.equal(world.take().length, 1);
  world.ack(2);
  world.setWeight(2);
  world.setWeight(3);
  assert.equal(world.take().length, 0);
  assert.equal(world.session.dirtyCount, 1);
  world.port.accepts = true;
  world.session.drained();
  assert.equal(world.take().length, 1);
  world.ack(3);
  assert.equal(world.session.inForce(ENDPOINTS), world.resources.get(ENDPOINTS)?.hash);
});

test('a refused version is not sent again until the resource changes, and the status says why', () => {
  const world = open(() => [], ['shop/orders:80']);
  world.take();
  world.ack(1);
  const before = world.session.inForce(ROUTES);
  world.put({ type: 'routes', name: 'shop/orders:80', rules: [{ ...exampleRule(), rule: 'bad' }] });
  const hash = world.resources.get(ROUTES)?.hash ?? '';
  assert.deepEqual(world.take()[0]?.upserts, [ROUTES]);
  world.ack(2, [{ key: ROUTES, hash, code: 'Invalid', message: 'no such flag' }]);
  assert.equal(world.session.inForce(ROUTES), before);
  assert.equal(world.session.refusal(ROUTES), 'no such flag');
  world.session.changed([ROUTES]);
  world.session.flush();
  assert.deepEqual(world.take(), []);
  world.put({ type: 'routes', name: 'shop/orders:80', rules: [{ ...exampleRule(), rule: 'good' }] });
  assert.deepEqual(world.take()[0]?.upserts, [ROUTES]);
  world.ack(3);
  assert.equal(world.session.refusal(ROUTES), '');
});

test('a base the proxy does not hold brings the whole resource', () => {
  const world = open(() => [], ['shop/orders:80']);
  world.take();
  world.ack(1);
  world.setWeight(1);
  const hash = world.resources.get(ENDPOINTS)?.hash ?? '';
  world.take();
  world.ack(2, [{ key: ENDPOINTS, hash, code: 'BaseMismatch', message: '' }]);
  assert.deepEqual(world.take()[0]?.upserts, [ENDPOINTS]);
});

test('an unknown destination is said to be missing at once, and is sent when it appears', () => {
  const world = open(() => [], []);
  world.take();
  world.ack(1);
  world.session.receive({ type: 'subscribe', subscribe: { add: ['shop/new:80'], remove: [] } });
  assert.deepEqual(world.take()[0]?.missing, ['shop/new:80']);
  world.ack(2);
  const rule = { ...exampleRule(), filters: [], backends: [] };
  world.put({ type: 'routes', name: 'shop/new:80', rules: [rule] });
  assert.deepEqual(world.take()[0]?.upserts, ['routes:shop/new:80']);
});

test('a proxy that acknowledges nothing for 30 s, or out of order, or says Hello twice, loses its stream', () => {
  const silent = open(() => [], []);
  silent.pass(29_900);
  assert.deepEqual(silent.port.closed, []);
  silent.pass(200);
  assert.deepEqual(silent.port.closed, ['ack-timeout']);
  const disordered = open(() => [], []);
  disordered.ack(7);
  assert.deepEqual(disordered.port.closed, ['protocol-violation']);
  const twice = open(() => [], []);
  twice.session.receive({ type: 'hello', hello: twice.session.hello });
  assert.deepEqual(twice.port.closed, ['protocol-violation']);
});

test('a burst of changes is sent 10 ms after its last, and 50 ms after its first at the latest', () => {
  const world = open(() => [], ['shop/orders:80']);
  world.take();
  world.ack(1);
  world.setWeight(1, false);
  world.pass(9);
  assert.equal(world.take().length, 0);
  world.pass(1);
  assert.equal(world.take().length, 1);
  world.ack(2);
  for (let at = 0; at < 45; at += 5) {
    world.setWeight(2 + at, false);
    world.pass(5);
    assert.equal(world.take().length, 0, `at ${at}`);
  }
  world.setWeight(99, false);
  world.pass(5);
  assert.equal(world.take().length, 1);
});

test('questions are answered by null when the stream ends first', () => {
  const world = open(() => [], []);
  const answers: unknown[] = [];
  world.session.query('', (answer) => answers.push(answer));
  world.session.finish();
  assert.deepEqual(answers, [null]);
});

test('certificates of a Gateway follow Welcome, and go only to a proxy that can take them', () => {
  const certificates = [{ name: 'edge/shop', chain: Buffer.from('PEM'), key: Buffer.from('KEY') }];
  const give = (session: SyncSession): void => session.certificatesChanged({ certificates });
  const able = open(() => [], [], ['certificates'], give);
  assert.deepEqual(able.kinds().slice(0, 2), ['welcome', 'certificates']);
  give(able.session);
  assert.deepEqual(able.kinds(), ['certificates']);
  const unable = open(() => [], [], [], give);
  give(unable.session);
  assert.ok(!unable.kinds().includes('certificates'));
});

interface Seen {
  readonly id: number;
  readonly upserts: readonly string[];
  readonly endpointDeltas: readonly (readonly [string, number])[];
  readonly removed: readonly string[];
  readonly missing: readonly string[];
  readonly complete: boolean;
}

function open(
  held: (resources: ReadonlyMap<ResourceKey, VersionedResource>) => HeldResource[],
  destinations: readonly string[],
  capabilities: readonly string[] = [],
  before: (session: SyncSession) => void = () => undefined,
) {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs };
  const timers = new TimerWheel(clock, { tickMs: 1 });
  const hub = new SyncHub(clock, timers);
  const resources = new Map<ResourceKey, VersionedResource>();
  const put = (resource: Parameters<typeof versionResource>[0], flush = true): void => {
    const version = versionResource(resource);
    resources.set(version.key, version);
    hub.changed([version.key]);
    if (flush) hub.flush();
  };
  for (const resource of exampleResources()) put(resource);
  const sent: Buffer[] = [];
  const port = {
    accepts: true,
    closed: [] as string[],
    write(message: Buffer): boolean {
      sent.push(message);
      return port.accepts;
    },
    close(reason: string): void {
      port.closed.push(reason);
    },
  };
  const session = new SyncSession(
    { roots: () => ['mesh:default'], lookup: (key) => resources.get(key) },
    {
      protocolVersion: 1,
      workload: {
        namespace: 'shop',
        name: 'cart',
        serviceAccount: 'cart',
        instance: 'cart-1',
        labels: [],
        node: '',
        zone: '',
        version: '0',
        ephemeral: false,
        service: '',
        weight: 0,
      },
      capabilities,
      listeners: [],
      held: held(resources),
      destinations,
      gateway: '',
    },
    port,
    {
      server: 'control',
      session: 's1',
      mesh: 'm',
      reportIntervalMs: 10_000,
      ackTimeoutMs: 30_000,
      transactionBytes: 1 << 20,
      trustBundle: null,
      deltas: new EndpointDeltas(),
      timers,
    },
  );
  hub.add(session);
  before(session);
  session.start();
  return {
    session,
    resources,
    port,
    put,
    setWeight(weight: number, flush = true): void {
      const endpoints = exampleEndpoints(40).map((endpoint, index) =>
        index === 3 ? { ...endpoint, weight } : endpoint,
      );
      put({ type: 'endpoints', name: 'shop/orders:80', endpoints }, flush);
    },
    /** Kinds of all messages since the last call. */
    kinds(): string[] {
      return sent.splice(0).map((bytes) => {
        const decoded = serverMessage.decode(bytes);
        assert.ok(decoded.ok);
        return decoded.value.type;
      });
    },
    /** The transactions written since the last call. */
    take(): Seen[] {
      const seen: Seen[] = [];
      for (const bytes of sent.splice(0)) {
        const decoded = serverMessage.decode(bytes);
        assert.ok(decoded.ok);
        if (decoded.value.type === 'transaction') seen.push(shown(decoded.value.transaction));
      }
      return seen;
    },
    ack(transaction: number, errors: readonly ResourceError[] = []): void {
      session.receive({ type: 'ack', ack: { transaction, errors } });
    },
    pass(ms: number): void {
      for (let passed = 0; passed < ms; passed += 1) {
        nowMs += 1;
        timers.advance(nowMs);
      }
    },
  };
}

function shown(transaction: Transaction): Seen {
  return {
    id: transaction.id,
    upserts: transaction.upserts.map(({ key }) => key),
    endpointDeltas: transaction.endpointDeltas.map(({ key, upserted }) => [key, upserted.length]),
    removed: transaction.removed,
    missing: transaction.missing,
    complete: transaction.complete,
  };
}
