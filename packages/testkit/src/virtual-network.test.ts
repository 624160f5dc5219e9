import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { FakeClock } from './fake-clock.ts';
import { type LinkFaults, type StreamHandlers, VirtualNetwork, type VirtualStream } from './virtual-network.ts';

interface Side extends StreamHandlers {
  readonly got: unknown[];
  end: string;
  drains: number;
}

function side(): Side {
  return {
    got: [],
    end: '',
    drains: 0,
    onMessage(payload) {
      this.got.push(payload);
    },
    onClose(end) {
      this.end += end;
    },
    onDrain() {
      this.drains += 1;
    },
  };
}

function setUp(faults: Partial<LinkFaults> = {}, seed = 1) {
  const clock = new FakeClock();
  const network = new VirtualNetwork(clock, seededRandom(seed), faults);
  const server = side();
  const accepted: VirtualStream[] = [];
  network.node('server').listen((stream, from) => {
    assert.equal(from, 'client');
    accepted.push(stream);
    return server;
  });
  const client = side();
  return { clock, network, server, client, accepted };
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('a virtual network', () => {
  it('delivers messages both ways, in order, each after a delay of the link', () => {
    const { clock, network, server, client, accepted } = setUp({ minDelayMs: 3, maxDelayMs: 40 });
    const stream = network.node('client').open('server', client);
    for (const number of numbers(50)) stream.send(number);
    network.run(2.9);
    assert.deepEqual(server.got, []);
    network.run(40);
    assert.deepEqual(server.got, numbers(50));
    accepted[0]!.send('answer');
    network.run(clock.nowMs() + 40);
    assert.deepEqual(client.got, ['answer']);
  });

  it('runs the same for the same seed, and otherwise for another', () => {
    const trace = (seed: number): string => {
      const faults = { maxDelayMs: 50, lossRatio: 0.2, duplicateRatio: 0.2, reorderRatio: 0.2 };
      const { clock, network, client } = setUp(faults, seed);
      const log: string[] = [];
      network.node('server').listen(() => ({
        onMessage: (payload) => log.push(`${clock.nowMs()} ${String(payload)}`),
        onClose: () => {},
      }));
      const stream = network.node('client').open('server', client);
      for (const number of numbers(100)) stream.send(number);
      network.run(100);
      return log.join('\n');
    };
    assert.equal(trace(5), trace(5));
    assert.notEqual(trace(5), trace(6));
  });

  it('loses, duplicates and reorders single messages in the ratios asked for, on that link only', () => {
    const { network, server, client, accepted } = setUp({ maxDelayMs: 20 });
    network.setFaults('client', 'server', { maxDelayMs: 20, lossRatio: 0.1, duplicateRatio: 0.2, reorderRatio: 0.3 });
    const stream = network.node('client').open('server', client);
    for (const number of numbers(5000)) stream.send(number);
    network.run(100);
    const { lost, duplicated, reordered, delivered, sent } = network.counts;
    assert.ok(Math.abs(lost - 500) < 80, `${lost} lost`);
    assert.ok(Math.abs(duplicated - 900) < 100, `${duplicated} duplicated`);
    assert.ok(Math.abs(reordered - 1350) < 120, `${reordered} reordered`);
    assert.equal(delivered, sent - lost + duplicated);
    assert.equal(server.got.length, delivered);
    assert.equal(new Set(server.got).size, sent - lost);
    assert.notDeepEqual(
      server.got,
      (server.got as number[]).toSorted((one, other) => one - other),
    );
    for (const number of numbers(100)) accepted[0]!.send(number);
    network.run(200);
    assert.deepEqual(client.got, numbers(100));
  });

  it('holds what is sent into a partition, or was on its way, until it heals, and keeps the order', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const { network, server, client, accepted } = setUp({ minDelayMs: 1, maxDelayMs: 30 }, seed);
      const stream = network.node('client').open('server', client);
      network.run(100);
      for (const number of numbers(10)) stream.send(number);
      network.run(101);
      network.partition(['client'], ['server']);
      stream.send(10);
      accepted[0]!.send('answer');
      network.run(1000);
      assert.ok(server.got.length < 10);
      assert.deepEqual(client.got, []);
      assert.equal(client.end + server.end, '');
      network.heal();
      stream.send(11);
      network.run(1100);
      assert.deepEqual(server.got, numbers(12), `seed ${seed}`);
      assert.deepEqual(client.got, ['answer']);
    }
  });

  it('lets one direction of a half-open link through', () => {
    const { network, server, client, accepted } = setUp();
    const stream = network.node('client').open('server', client);
    network.run(10);
    network.block(['client'], ['server']);
    stream.send('unheard');
    accepted[0]!.send('heard');
    network.run(1000);
    assert.deepEqual(client.got, ['heard']);
    assert.deepEqual(server.got, []);
    assert.equal(network.counts.held, 1);
  });

  it('closes after what was sent before, and resets without waiting for it', () => {
    const { network, server, client } = setUp({ minDelayMs: 1, maxDelayMs: 30 });
    const stream = network.node('client').open('server', client);
    for (const number of numbers(20)) stream.send(number);
    stream.close();
    assert.equal(stream.isOpen, false);
    assert.throws(() => stream.send('late'), { name: 'InvariantError' });
    network.run(100);
    assert.deepEqual(server.got, numbers(20));
    assert.equal(server.end, 'closed');
    assert.equal(client.end, '');

    const second = setUp({ minDelayMs: 10, maxDelayMs: 10 });
    second.network.setFaults('server', 'client', { minDelayMs: 1, maxDelayMs: 1 });
    const reset = second.network.node('client').open('server', second.client);
    second.network.run(20);
    reset.send('on its way');
    second.accepted[0]!.reset();
    second.network.run(100);
    assert.equal(second.client.end, 'reset');
    assert.deepEqual(second.server.got, []);
    assert.equal(second.network.node('server').openStreams + second.network.node('client').openStreams, 0);
  });

  it('answers a reset when nobody listens, and when the process has crashed', () => {
    const { network, client, server } = setUp();
    const nobody = side();
    const stream = network.node('client').open('nobody', nobody);
    stream.send('hello');
    network.run(10);
    assert.equal(nobody.end, 'reset');
    assert.equal(stream.isOpen, false);

    network.node('client').open('server', client);
    network.run(20);
    network.node('server').crash();
    const refused = side();
    network.node('client').open('server', refused);
    network.run(30);
    assert.equal(client.end, 'reset');
    assert.equal(refused.end, 'reset');
    assert.equal(server.end, '');
    assert.equal(network.node('client').openStreams, 0);
  });

  it('leaves peers of a vanished node without a word until it is back', () => {
    const { network, client, server } = setUp();
    const stream = network.node('client').open('server', client);
    network.run(10);
    network.node('server').vanish();
    const waiting = side();
    network.node('client').open('server', waiting);
    stream.send('into the dark');
    network.run(10_000);
    assert.equal(client.end + waiting.end, '');
    assert.equal(stream.isOpen, true);
    network.node('server').listen(() => server);
    network.run(20_000);
    assert.equal(client.end, '');
    stream.send('who are you?');
    network.run(20_010);
    assert.equal(client.end, 'reset');
    assert.deepEqual(server.got, []);
  });

  it('reports a full buffer and calls once when there is room again; a vanished peer never makes room', () => {
    const { network, client } = setUp();
    const stream = network.node('client').open('server', client);
    const accepted = numbers(20).map((number) => stream.send(number));
    assert.deepEqual(accepted, [...numbers(15).map(() => true), false, false, false, false, false]);
    assert.equal(client.drains, 0);
    network.run(10);
    assert.equal(client.drains, 1);
    assert.equal(stream.inFlight, 0);
    network.node('server').vanish();
    while (stream.send('more')) assert.ok(stream.inFlight < 100);
    network.run(10_000);
    assert.equal(client.drains, 1);
    assert.equal(stream.inFlight, 16);
  });

  it('opens a stream even when later messages overtake its opening', () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const { network, server, client } = setUp({ minDelayMs: 1, maxDelayMs: 50, reorderRatio: 1 }, seed);
      const stream = network.node('client').open('server', client);
      for (const number of numbers(5)) stream.send(number);
      network.run(200);
      assert.deepEqual((server.got as number[]).toSorted(), numbers(5), `seed ${seed}`);
      assert.equal(client.end, '');
    }
  });
});
