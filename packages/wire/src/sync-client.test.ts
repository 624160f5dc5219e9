import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '@weft/kernel';
import { versionResource } from './resource-codec.ts';
import {
  type AppliedChanges,
  type Changes,
  type ConnectionFacts,
  SyncClient,
  type SyncStreamEvents,
} from './sync-client.ts';
import {
  type ClientMessage,
  type ServerMessage,
  type Transaction,
  clientMessage,
  serverMessage,
} from './sync-message.ts';
import { exampleResources } from './wire-examples.ts';

const VERSIONS = exampleResources().map(versionResource);

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

test('attempts are spread by full jitter from 100 ms to 10 s, and start over after a good minute', () => {
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
  assert.deepEqual(waits, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
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

interface OpenStream {
  readonly events: SyncStreamEvents;
  closedByUs: boolean;
}

function open() {
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
