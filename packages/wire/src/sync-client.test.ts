import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as settled } from 'node:timers/promises';
import { TimerWheel } from '@weft/kernel';
import { versionResource } from './resource-codec.ts';
import { readSnapshot } from './snapshot.ts';
import { SyncClient } from './sync-client.ts';
import type { AppliedChanges, Changes, ConnectionFacts, SyncStreamEvents } from './sync-handler.ts';
import {
  type ClientMessage,
  type ServerMessage,
  type Transaction,
  clientMessage,
  serverMessage,
} from './sync-message.ts';
import { exampleResources, manyResources } from './wire-examples.ts';

const VERSIONS = exampleResources().map(versionResource);
/** More resources than are read in one go. */
const MANY = manyResources(700).map(versionResource);
/** Some 190 of them are 32 KiB with what each costs beside its bytes: 3 breaths to read them, 3 to look up what they refer to. */
const BREATHS_OF_MANY = 6;

test('it says what it holds and wants, applies a transaction as one change, and acknowledges it', () => {
  const world = open();
  world.client.subscribe(['shop/orders:80']);
  world.client.start();
  const [hello] = world.taken();
  assert.ok(hello?.type === 'hello');
  assert.deepEqual([hello.hello.destinations, hello.hello.held], [['shop/orders:80'], []]);
  world.welcome();
  world.say(transaction(1, { upserts: VERSIONS }));
  assert.equal(world.applied.length, 1);
  assert.equal(world.applied[0]?.upserted.length, VERSIONS.length);
  assert.deepEqual(world.taken(), [{ type: 'ack', ack: { transaction: 1, errors: [] } }]);
  world.last().closed('gone');
  world.pass(10_000);
  const [again] = world.taken();
  assert.ok(again?.type === 'hello');
  assert.equal(again.hello.held.length, VERSIONS.length);
  assert.deepEqual(again.hello.destinations, ['shop/orders:80']);
});

test('attempts are spread by full jitter from 100 ms to 4 s, and start over after a good minute', () => {
  const world = open();
  world.client.start();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 9; attempt += 1) {
    const before = world.streams.length;
    world.last().closed('refused');
    let waited = 0;
    for (; world.streams.length === before; waited += 1) world.pass(1);
    waits.push(waited);
  }
  // The random number is always one half.
  assert.deepEqual(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  world.welcome();
  assert.equal(world.client.connection.state, 'connected');
  world.pass(60_001);
  world.last().closed('lost');
  const before = world.streams.length;
  world.pass(50);
  assert.equal(world.streams.length, before + 1);
});

test('a server that does not say Welcome within 10 s is left', () => {
  const world = open();
  world.client.start();
  world.pass(10_001);
  assert.equal(world.streams[0]?.closedByUs, true);
  assert.match(world.facts.at(-1)?.lastError ?? '', /no welcome/);
});

test('a third transaction while one is being applied and one waits breaks the protocol', async () => {
  const world = open();
  let settle: (result: AppliedChanges) => void = () => undefined;
  world.answer = () =>
    new Promise((resolve) => {
      settle = resolve;
    });
  world.client.start();
  world.welcome();
  world.say(transaction(1, { upserts: VERSIONS }));
  world.say(transaction(2, {}));
  assert.equal(world.client.connection.state, 'connected');
  world.say(transaction(3, {}));
  assert.equal(world.client.connection.state, 'waiting');
  // What was being applied counts; Hello waits for it, so that it says what is held.
  const before = world.streams.length;
  world.pass(10_000);
  assert.equal(world.streams.length, before);
  settle({ errors: [] });
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(world.streams.length, before + 1);
  const hello = world.taken().at(-1);
  assert.ok(hello?.type === 'hello' && hello.hello.held.length === VERSIONS.length);
});

test('what cannot be read or applied is refused by name, the rest is in force, and the last good version stays', () => {
  const world = open();
  world.client.start();
  world.welcome();
  world.say(transaction(1, { upserts: VERSIONS }));
  world.taken();
  world.answer = (changes) => ({
    errors: changes.upserted
      .filter(({ key }) => key.startsWith('names:'))
      .map(({ key }) => ({ key, code: 'Invalid' as const, message: 'no' })),
  });
  const names = versionResource({ type: 'names', name: 'shop', services: [] });
  const mesh = versionResource({
    type: 'mesh',
    name: 'default',
    trustDomain: 'new',
    trustDomainAliases: [],
    egress: 'AllowAny',
    gatewayProxyProtocol: false,
  });
  const broken = { key: 'backend:shop/orders:80', hash: '00000000000000ff', body: Buffer.from([0x32, 0x01]) };
  world.say(transaction(2, { upserts: [names, mesh, broken] }));
  const [ack] = world.taken();
  assert.ok(ack?.type === 'ack');
  assert.deepEqual(
    ack.ack.errors.map(({ key, hash, code }) => [key, hash, code]),
    [
      ['backend:shop/orders:80', '00000000000000ff', 'Malformed'],
      ['names:shop', names.hash, 'Invalid'],
    ],
  );
  assert.equal(world.client.resources.get('mesh:default')?.hash, mesh.hash);
  assert.notEqual(world.client.resources.get('names:shop')?.hash, names.hash);
});

test('a route without its backend, and a delta on another base, are refused', () => {
  const world = open();
  world.client.start();
  world.welcome();
  const routes = VERSIONS.filter(({ key }) => key.startsWith('routes:'));
  const delta = {
    key: 'endpoints:shop/orders:80',
    base: '00000000000000aa',
    target: '00000000000000bb',
    upserted: [],
    removed: [],
    count: 0,
  };
  world.say(transaction(1, { upserts: routes, endpointDeltas: [delta] }));
  const [ack] = world.taken();
  assert.ok(ack?.type === 'ack');
  assert.deepEqual(
    ack.ack.errors.map(({ code }) => code),
    ['BaseMismatch', 'MissingReference'],
  );
  assert.equal(world.client.resources.size, 0);
  assert.equal(world.applied.length, 0);
});

test('a successor stream that fails is replaced like any other, and the old one is not listened to any more', () => {
  const world = open();
  world.client.start();
  world.welcome();
  const old = world.last();
  world.client.reauthenticate();
  assert.equal(world.streams.length, 2);
  assert.equal(world.streams[0]?.closedByUs, false);
  old.message(serverMessage.encode(transaction(1, { upserts: VERSIONS })));
  assert.equal(world.applied.length, 0);
  world.last().closed('refused');
  assert.equal(world.streams[0]?.closedByUs, true);
  assert.equal(world.client.connection.state, 'waiting');
});

test('a large transaction is read with a breath after each 32 KiB, then put into force as one change', async () => {
  const breaths = new Breaths();
  const world = open(breaths.take);
  world.client.start();
  world.welcome();
  world.say(transaction(1, { upserts: MANY }));
  for (let taken = 0; taken < BREATHS_OF_MANY; taken += 1) {
    assert.equal(breaths.waiting, 1, `after ${taken} breaths`);
    assert.equal(world.applied.length, 0);
    assert.equal(world.client.resources.size, 0);
    assert.deepEqual(world.taken(), []);
    await breaths.give();
  }
  assert.equal(breaths.waiting, 0);
  assert.equal(world.applied.length, 1);
  assert.deepEqual(
    world.applied[0]?.upserted.map(({ key, hash }) => [key, hash]),
    MANY.map(({ key, hash }) => [key, hash]),
  );
  assert.equal(world.client.resources.size, MANY.length);
  assert.deepEqual(world.taken(), [{ type: 'ack', ack: { transaction: 1, errors: [] } }]);
});

test('a transaction of 32 KiB is read in one go, one resource more is not', () => {
  let bytes = 0;
  const fit = MANY.findIndex(({ body }) => (bytes += 128 + body.length) > 32 * 1024);
  for (const [count, waits] of [
    [fit, 0],
    [fit + 1, 1],
  ] as const) {
    const breaths = new Breaths();
    const world = open(breaths.take);
    world.client.start();
    world.welcome();
    world.say(transaction(1, { upserts: MANY.slice(0, count) }));
    assert.equal(breaths.waiting, waits, `${count} resources`);
    assert.equal(world.applied.length, 1 - waits, `${count} resources`);
  }
});

test('of a large transaction, too, what cannot be read, applied or referred to is refused by name', async () => {
  const breaths = new Breaths();
  const world = open(breaths.take);
  const [invalid] = MANY;
  world.answer = () => ({ errors: [{ key: invalid!.key, code: 'Invalid', message: 'no' }] });
  world.client.start();
  world.welcome();
  const broken = { key: 'names:broken', hash: '00000000000000ff', body: Buffer.from([0x32, 0x01]) };
  const routes = VERSIONS.find(({ key }) => key.startsWith('routes:'))!;
  world.say(transaction(1, { upserts: [broken, ...MANY, routes] }));
  await breaths.giveAll();
  const [ack, ...more] = world.taken();
  assert.deepEqual(more, []);
  assert.ok(ack?.type === 'ack');
  assert.deepEqual(
    ack.ack.errors.map(({ key, hash, code }) => [key, hash, code]),
    [
      [broken.key, broken.hash, 'Malformed'],
      [routes.key, routes.hash, 'MissingReference'],
      [invalid!.key, invalid!.hash, 'Invalid'],
    ],
  );
  assert.deepEqual(
    [...world.client.resources.keys()],
    MANY.slice(1).map(({ key }) => key),
  );
});

test('a handler that breaks on a large transaction refuses all of it, and the next one is taken', async () => {
  const breaths = new Breaths();
  const world = open(breaths.take);
  world.client.start();
  world.welcome();
  world.answer = () => Promise.reject(new Error('out of order'));
  world.say(transaction(1, { upserts: MANY }));
  await breaths.giveAll();
  const [ack] = world.taken();
  assert.ok(ack?.type === 'ack');
  assert.deepEqual(
    ack.ack.errors.map(({ key, code, message }) => [key, code, message]),
    MANY.map(({ key }) => [key, 'Invalid', 'out of order']),
  );
  assert.equal(world.client.resources.size, 0);
  world.answer = () => ({ errors: [] });
  world.say(transaction(2, { upserts: VERSIONS }));
  assert.deepEqual(world.taken(), [{ type: 'ack', ack: { transaction: 2, errors: [] } }]);
});

test('a transaction that comes while a large one is read waits for it, and sees what it brought', async () => {
  const breaths = new Breaths();
  const world = open(breaths.take);
  world.client.start();
  world.welcome();
  world.say(transaction(1, { upserts: MANY }));
  const [first] = MANY;
  const newer = versionResource({
    type: 'names',
    name: 'team-0',
    services: [{ service: 'later', ports: [], addresses: [] }],
  });
  assert.equal(newer.key, first!.key);
  world.say(transaction(2, { upserts: [newer], removed: [MANY[1]!.key] }));
  await breaths.give();
  assert.equal(world.applied.length, 0);
  await breaths.giveAll();
  assert.deepEqual(
    world.applied.map(({ upserted, removed }) => [upserted.length, removed]),
    [
      [MANY.length, []],
      [1, [MANY[1]!.key]],
    ],
  );
  assert.deepEqual(world.applied[1]?.upserted[0]?.previous, manyResources(1)[0]);
  assert.equal(world.client.resources.get(newer.key)?.hash, newer.hash);
  assert.deepEqual(
    world.taken().map((message) => message.type === 'ack' && message.ack.transaction),
    [1, 2],
  );
});

test('a stream lost while a large transaction is read: it is put into force unacknowledged, and the next Hello says so', async () => {
  const breaths = new Breaths();
  const world = open(breaths.take);
  world.client.start();
  world.welcome();
  world.say(transaction(1, { upserts: MANY }));
  world.say(transaction(2, { upserts: VERSIONS }));
  await breaths.give();
  world.last().closed('gone');
  world.pass(10_000);
  assert.equal(world.streams.length, 1, 'Hello waits for what is being read');
  await breaths.giveAll();
  assert.equal(world.streams.length, 2);
  assert.equal(world.applied.length, 1, 'what waited on the lost stream is dropped');
  const [hello, ...more] = world.taken();
  assert.deepEqual(more, []);
  assert.ok(hello?.type === 'hello');
  assert.deepEqual(
    hello.hello.held.map(({ key, hash }) => [key, hash]),
    MANY.map(({ key, hash }) => [key, hash]),
  );
});

test('a client that is stopped while a large transaction is read says nothing and stays stopped', async () => {
  const breaths = new Breaths();
  const world = open(breaths.take);
  world.client.start();
  world.welcome();
  world.say(transaction(1, { upserts: MANY }));
  await breaths.give();
  world.client.stop();
  await breaths.giveAll();
  world.pass(10_000);
  assert.deepEqual(world.taken(), []);
  assert.equal(world.streams.length, 1);
  assert.equal(world.client.connection.state, 'stopped');
});

test('a snapshot that is written in pieces holds what was held when it was asked for', async () => {
  const breaths = new Breaths();
  const world = open(breaths.take);
  world.client.start();
  world.welcome();
  world.say(transaction(1, { upserts: MANY }));
  await breaths.giveAll();
  const held = new Map(world.client.resources);
  const snapshot = world.client.snapshot();
  assert.equal(breaths.waiting, 1);
  await breaths.give();
  world.say(transaction(2, { upserts: VERSIONS, removed: MANY.map(({ key }) => key) }));
  assert.equal(world.client.resources.size, VERSIONS.length);
  await breaths.giveAll();
  assert.deepEqual(readSnapshot(Buffer.concat(await snapshot)), { ok: true, value: held });
});

function transaction(id: number, parts: Partial<Transaction>): ServerMessage {
  return {
    type: 'transaction',
    transaction: {
      id,
      upserts: [],
      endpointDeltas: [],
      removed: [],
      missing: [],
      trustBundle: null,
      complete: true,
      ...parts,
    },
  };
}

/** The event loop's turns, given by the test. */
class Breaths {
  private readonly resolvers: (() => void)[] = [];

  readonly take = (): Promise<void> =>
    new Promise((resolve) => {
      this.resolvers.push(resolve);
    });

  get waiting(): number {
    return this.resolvers.length;
  }

  /** Lets everyone who waits go on, as far as they come without another breath. */
  async give(): Promise<void> {
    for (const resolve of this.resolvers.splice(0)) resolve();
    await settled();
  }

  async giveAll(): Promise<void> {
    while (this.waiting > 0) await this.give();
  }
}

interface OpenStream {
  readonly events: SyncStreamEvents;
  closedByUs: boolean;
}

function open(breathe?: () => Promise<void>) {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs };
  const timers = new TimerWheel(clock, { tickMs: 1 });
  const streams: OpenStream[] = [];
  const sent: ClientMessage[] = [];
  const applied: Changes[] = [];
  const facts: ConnectionFacts[] = [];
  const world = {
    streams,
    applied,
    facts,
    answer: (_changes: Changes): AppliedChanges | Promise<AppliedChanges> => ({ errors: [] }),
    client: new SyncClient({
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
      listeners: [],
      capabilities: [],
      gateway: '',
      connector: {
        open(events) {
          const stream = { events, closedByUs: false };
          streams.push(stream);
          return {
            send(bytes) {
              const decoded = clientMessage.decode(bytes);
              assert.ok(decoded.ok);
              sent.push(decoded.value);
            },
            close() {
              stream.closedByUs = true;
            },
          };
        },
      },
      handler: {
        apply(changes): AppliedChanges | Promise<AppliedChanges> {
          applied.push(changes);
          return world.answer(changes);
        },
        missing: () => undefined,
        trustBundle: () => undefined,
        complete: () => undefined,
        drain: () => undefined,
        connection: (fact) => facts.push(fact),
      },
      clock,
      timers,
      random: () => 0.5,
      ...(breathe === undefined ? {} : { breathe }),
    }),
    last(): SyncStreamEvents {
      const stream = streams.at(-1);
      assert.ok(stream !== undefined);
      return stream.events;
    },
    say(message: ServerMessage): void {
      world.last().message(serverMessage.encode(message));
    },
    welcome(): void {
      world.say({
        type: 'welcome',
        welcome: {
          server: 'control',
          session: 's',
          mesh: 'm',
          protocolVersion: 1,
          reportIntervalMs: 10_000,
          trustBundle: null,
        },
      });
      sent.length = 0;
    },
    taken: () => sent.splice(0),
    pass(ms: number): void {
      for (let passed = 0; passed < ms; passed += 1) {
        nowMs += 1;
        timers.advance(nowMs);
      }
    },
  };
  return world;
}
