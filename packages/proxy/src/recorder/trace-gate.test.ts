import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { TraceGate } from './trace-gate.ts';

function traces(count: number, seed: number): string[] {
  const random = seededRandom(seed);
  const digits = (): string =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return Array.from({ length: count }, () => digits() + digits() + digits() + digits());
}

function keptOf(gate: TraceGate, ids: readonly string[], perSecond: number): Set<string> {
  return new Set(ids.filter((id, index) => gate.keeps(id, (index * 1_000) / perSecond)));
}

test('below a hundred a second every trace is kept', () => {
  const ids = traces(500, 1);
  assert.equal(keptOf(new TraceGate(), ids, 50).size, 500);
});

test('a hundred a second are kept, within a factor of three, however many there are', () => {
  for (const rate of [1_000, 20_000]) {
    const gate = new TraceGate();
    const ids = traces(rate * 10, 2);
    keptOf(gate, ids.slice(0, rate * 5), rate);
    const late = ids.slice(rate * 5).filter((id, index) => gate.keeps(id, 5_000 + (index * 1_000) / rate));
    const perSecond = late.length / 5;
    assert.ok(perSecond > 33 && perSecond < 300, `${perSecond} a second of ${rate}`);
  }
});

test('what a busy proxy keeps, a quiet one keeps too: traces come out whole', () => {
  const ids = traces(40_000, 3);
  const quiet = new TraceGate();
  const busy = new TraceGate();
  // The busy one sees nine others beside each of these.
  const keptByBusy = new Set<string>();
  const others = traces(360_000, 4);
  for (const [index, id] of ids.entries()) {
    const nowMs = index * 5;
    for (let other = 0; other < 9; other += 1) busy.keeps(others[index * 9 + other]!, nowMs);
    if (busy.keeps(id, nowMs)) keptByBusy.add(id);
  }
  const keptByQuiet = keptOf(quiet, ids, 200);
  const whole = [...keptByBusy].filter((id) => keptByQuiet.has(id)).length;
  assert.ok(keptByBusy.size > 100);
  assert.ok(whole >= keptByBusy.size * 0.95, `${whole} of ${keptByBusy.size}`);
});

test('when it grows quiet again, more is kept again', () => {
  const gate = new TraceGate();
  keptOf(gate, traces(20_000, 5), 10_000);
  assert.ok(gate.oneIn >= 32);
  for (const [index, id] of traces(3_000, 6).entries()) gate.keeps(id, 2_000 + index * 20);
  assert.equal(gate.oneIn, 1);
});

test('what is no trace id is not kept', () => {
  assert.equal(new TraceGate().keeps('', 0), false);
});
