import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '@weft/model';
import {
  Simulation,
  answer,
  defaultBackend,
  defaultRetries,
  endpointSet,
  forEachSeed,
} from './backend-state-simulation.ts';

const SEEDS = 100;

const types: readonly Backend['loadBalancer']['type'][] = ['PeakEwma', 'LeastRequest', 'RoundRobin', 'Random'];

function balancedBy(type: Backend['loadBalancer']['type']): Backend {
  return { ...defaultBackend, loadBalancer: { ...defaultBackend.loadBalancer, type } };
}

test('an instance that becomes 100 ms slower loses at least 80 % of its share within 5 s', () => {
  forEachSeed(SEEDS, (seed) => {
    let slow = false;
    const simulation = new Simulation({
      seed,
      backend: defaultBackend,
      endpoints: endpointSet(3),
      ratePerSecond: 200,
      retries: defaultRetries,
      behave: (key, _nowMs, random) => answer(random, 200, slow && key === 'b' ? 100 : 0),
    });
    simulation.runFor(30_000);
    simulation.resetCounts();
    simulation.runFor(10_000);
    const before = simulation.share('b');
    assert.ok(before > 0.15, `a share of ${before} before`);
    slow = true;
    simulation.runFor(5_000);
    simulation.resetCounts();
    simulation.runFor(10_000);
    const after = simulation.share('b');
    assert.ok(after <= before * 0.2, `a share of ${after} after ${before}`);
  });
});

test('an instance that is fast again gets its share back', () => {
  forEachSeed(40, (seed) => {
    let slow = true;
    const simulation = new Simulation({
      seed,
      backend: defaultBackend,
      endpoints: endpointSet(3),
      ratePerSecond: 200,
      retries: defaultRetries,
      behave: (key, _nowMs, random) => answer(random, 200, slow && key === 'b' ? 100 : 0),
    });
    simulation.runFor(10_000);
    slow = false;
    simulation.runFor(60_000);
    simulation.resetCounts();
    simulation.runFor(30_000);
    assert.ok(simulation.share('b') > 0.15, `a share of ${simulation.share('b')}`);
  });
});

for (const type of types) {
  test(`${type}: an instance that answers 503 in 0.3 ms is ejected, draws no traffic by being fast, and nearly no caller sees it`, () => {
    forEachSeed(SEEDS, (seed) => {
      let broken = false;
      const simulation = new Simulation({
        seed,
        backend: balancedBy(type),
        endpoints: endpointSet(3),
        ratePerSecond: 200,
        retries: defaultRetries,
        behave: (key, _nowMs, random) =>
          broken && key === 'b' ? { latencyMs: 0.3, status: 503, code: 'completed' } : answer(random),
      });
      simulation.runFor(10_000);
      simulation.resetCounts();
      broken = true;
      simulation.runFor(3_000);
      const ejected = simulation.transitions.filter((event) => event.type === 'ejected');
      assert.deepEqual([ejected[0]?.endpoint, ejected.length], ['b', 1]);
      simulation.runFor(57_000);
      const drawn = simulation.attemptsByKey.get('b') ?? 0;
      // Five until it is ejected (and what was already on its way), then a probe after about 10, 30 and 70 s.
      assert.ok(drawn >= 5 && drawn <= 16, `${drawn} tries went to it`);
      const total = simulation.succeeded + simulation.failed + simulation.refused;
      assert.ok(simulation.succeeded / total >= 0.999, `${simulation.failed} + ${simulation.refused} of ${total}`);
    });
  });
}

test('an ejected instance that works again is found by one probe and used again', () => {
  forEachSeed(40, (seed) => {
    let broken = true;
    const simulation = new Simulation({
      seed,
      backend: defaultBackend,
      endpoints: endpointSet(3),
      ratePerSecond: 200,
      retries: defaultRetries,
      behave: (key, _nowMs, random) =>
        broken && key === 'b' ? { latencyMs: 1, status: 0, code: 'connect-refused' } : answer(random),
    });
    simulation.runFor(4_000);
    broken = false;
    simulation.runFor(15_000);
    assert.deepEqual(
      simulation.transitions.map((event) => event.type),
      ['ejected', 'restored'],
    );
    simulation.runFor(20_000);
    simulation.resetCounts();
    simulation.runFor(20_000);
    assert.ok(simulation.share('b') > 0.15, `a share of ${simulation.share('b')}`);
  });
});

for (const type of types) {
  test(`${type}: two of four instances failing never open the breaker`, () => {
    forEachSeed(60, (seed) => {
      const simulation = new Simulation({
        seed,
        backend: balancedBy(type),
        endpoints: endpointSet(4),
        ratePerSecond: 200,
        retries: defaultRetries,
        behave: (key, _nowMs, random) =>
          key < 'c' ? { latencyMs: 0.3, status: 503, code: 'completed' } : answer(random),
      });
      simulation.runFor(30_000);
      const seen = new Set(simulation.transitions.map((event) => `${event.type} ${event.endpoint}`.trim()));
      assert.deepEqual([...seen].sort(), ['ejected a', 'ejected b']);
      assert.equal(simulation.refused, 0);
    });
  });
}

for (const count of [1, 2, 3, 5]) {
  test(`all of ${count} instances failing open the breaker; when they work again, it half-opens and closes`, () => {
    forEachSeed(60, (seed) => {
      let broken = false;
      const simulation = new Simulation({
        seed,
        backend: defaultBackend,
        endpoints: endpointSet(count),
        ratePerSecond: 200,
        retries: defaultRetries,
        behave: (_key, _nowMs, random) => (broken ? { latencyMs: 1, status: 503, code: 'completed' } : answer(random)),
      });
      simulation.runFor(2_000);
      broken = true;
      // With 2 s of success in the window it takes as long until half of it has failed.
      simulation.runFor(6_000);
      assert.equal(simulation.state.snapshot(simulation.nowMs).breaker.state, 'open');
      simulation.runFor(4_000);
      simulation.resetCounts();
      const { untilMs } = simulation.state.snapshot(simulation.nowMs).breaker;
      if (untilMs - simulation.nowMs > 500) {
        simulation.runFor(400);
        assert.equal(simulation.attempts, 0);
        assert.ok(simulation.refused > 0);
        assert.equal(simulation.state.refusal, 'circuit-open');
      }
      broken = false;
      // Opened at most three times by now: 5, 10 and 20 s, and a moment for three probes.
      simulation.runFor(21_000);
      assert.equal(simulation.state.snapshot(simulation.nowMs).breaker.state, 'closed');
      const kinds = simulation.transitions.filter((event) => event.endpoint === '').map((event) => event.type);
      assert.deepEqual([kinds[0], kinds[1], kinds.at(-1)], ['opened', 'half-open', 'closed']);
      // By then every endpoint has served its penalty or has been spared.
      simulation.runFor(60_000);
      simulation.resetCounts();
      simulation.runFor(10_000);
      assert.equal(simulation.failed + simulation.refused, 0);
      for (const { key } of simulation.state.endpoints)
        assert.ok(simulation.share(key) > 0.3 / count, `share of ${key}`);
    });
  });
}

test('the budget keeps tries at or below 1.2 x the requests while half of them fail', () => {
  forEachSeed(SEEDS, (seed) => {
    const simulation = new Simulation({
      seed,
      backend: { ...defaultBackend, outlierDetection: null, circuitBreaker: null },
      endpoints: endpointSet(3),
      ratePerSecond: 200,
      retries: defaultRetries,
      behave: (_key, _nowMs, random) => answer(random, random() < 0.5 ? 503 : 200),
    });
    simulation.runFor(20_000);
    const ratio = simulation.attempts / simulation.offered;
    assert.ok(ratio <= 1.2 && ratio > 1.15, `${ratio} tries a request`);
  });
});

test('no more than half of the instances are ever ejected, however many fail', () => {
  forEachSeed(60, (seed) => {
    const simulation = new Simulation({
      seed,
      backend: { ...defaultBackend, circuitBreaker: null },
      endpoints: endpointSet(6),
      ratePerSecond: 300,
      retries: defaultRetries,
      behave: (key, _nowMs, random) =>
        key > 'a' ? { latencyMs: 1, status: 0, code: 'upstream-reset' } : answer(random),
    });
    let most = 0;
    for (let step = 0; step < 60; step += 1) {
      simulation.runFor(500);
      const ejected = simulation.state.endpoints.filter((state) => state.ejected).length;
      most = Math.max(most, ejected);
    }
    assert.equal(most, 3);
  });
});

test('an instance that fails a third of its requests keeps next to no traffic while others are sound', () => {
  forEachSeed(40, (seed) => {
    const simulation = new Simulation({
      seed,
      backend: defaultBackend,
      endpoints: endpointSet(3),
      ratePerSecond: 200,
      retries: defaultRetries,
      behave: (key, _nowMs, random) => answer(random, key === 'b' && random() < 0.33 ? 502 : 200),
    });
    simulation.runFor(10_000);
    simulation.resetCounts();
    simulation.runFor(20_000);
    assert.ok(simulation.share('b') < 0.12, `a share of ${simulation.share('b')}`);
    assert.ok(simulation.succeeded / simulation.offered > 0.995);
  });
});

test('slow start lets an instance that joins ramp up to its share', () => {
  forEachSeed(20, (seed) => {
    const backend: Backend = {
      ...defaultBackend,
      loadBalancer: { ...defaultBackend.loadBalancer, type: 'RoundRobin', slowStartMs: 30_000 },
    };
    const simulation = new Simulation({
      seed,
      backend,
      endpoints: endpointSet(3),
      ratePerSecond: 400,
      retries: defaultRetries,
      behave: (_key, _nowMs, random) => answer(random),
    });
    simulation.runFor(1_000);
    for (const state of simulation.state.endpoints) assert.ok(Math.abs(simulation.share(state.key) - 1 / 3) < 0.05);
    simulation.state.update(backend, endpointSet(4));
    const shares: number[] = [];
    for (let part = 0; part < 4; part += 1) {
      simulation.resetCounts();
      simulation.runFor(10_000);
      shares.push(simulation.share('d'));
    }
    // Means of the ramp: about 1/6, 1/2 and 5/6 of a quarter, then all of it.
    assert.ok(shares[0]! > 0.02 && shares[0]! < 0.08, `first ten seconds: ${shares[0]}`);
    assert.ok(shares[1]! > shares[0]! && shares[2]! > shares[1]! && shares[3]! > shares[2]!, shares.join(' '));
    assert.ok(Math.abs(shares[3]! - 0.25) < 0.02, `after the window: ${shares[3]}`);
  });
});

test('weights are kept by every algorithm when all instances are alike', () => {
  for (const type of types) {
    forEachSeed(20, (seed) => {
      const simulation = new Simulation({
        seed,
        backend: balancedBy(type),
        endpoints: endpointSet(2, (index) => ({ weight: index === 0 ? 4 : 1 })),
        ratePerSecond: 200,
        retries: defaultRetries,
        behave: (_key, _nowMs, random) => answer(random),
      });
      simulation.runFor(5_000);
      simulation.resetCounts();
      simulation.runFor(30_000);
      assert.ok(Math.abs(simulation.share('b') - 0.2) < 0.07, `${type}: ${simulation.share('b')} instead of 0.2`);
    });
  }
});

test('a weight does not protect an instance that becomes 100 ms slower', () => {
  forEachSeed(20, (seed) => {
    const simulation = new Simulation({
      seed,
      backend: defaultBackend,
      endpoints: endpointSet(3, (index) => ({ weight: index + 1 })),
      ratePerSecond: 200,
      retries: defaultRetries,
      behave: (key, nowMs, random) => answer(random, 200, nowMs > 5_000 && key === 'b' ? 100 : 0),
    });
    simulation.runFor(10_000);
    simulation.resetCounts();
    simulation.runFor(10_000);
    assert.ok(simulation.share('b') < 0.2 / 3, `a share of ${simulation.share('b')}`);
  });
});

test('equal seeds give equal runs', () => {
  const run = (seed: number): string => {
    const simulation = new Simulation({
      seed,
      backend: defaultBackend,
      endpoints: endpointSet(3),
      ratePerSecond: 200,
      retries: defaultRetries,
      behave: (_key, _nowMs, random) => answer(random, random() < 0.1 ? 503 : 200),
    });
    simulation.runFor(5_000);
    return JSON.stringify([simulation.state.snapshot(simulation.nowMs), simulation.attempts]);
  };
  assert.equal(run(7), run(7));
  assert.notEqual(run(7), run(8));
});
