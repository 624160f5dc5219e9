import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { Rotation, drainAtMs, leafBackdateMs, renewalAtMs, storedLeafLife } from './rotation.ts';

const startMs = 1_800_000_000_000;
const hourMs = 3_600_000;
const life = { obtainedAtMs: startMs, notAfterMs: startMs + 24 * hourMs };
const middle = () => 0.5;

test('a leaf of 24 h is renewed after 12 h, a tenth of its life earlier or later', () => {
  assert.equal(renewalAtMs(life, middle), startMs + 12 * hourMs);
  assert.equal(
    renewalAtMs(life, () => 0),
    startMs + 9.6 * hourMs,
  );
  assert.equal(
    renewalAtMs(life, () => 1),
    startMs + 14.4 * hourMs,
  );
});

test('a thousand leaves obtained together are renewed all over the window', () => {
  const random = seededRandom(7);
  const buckets = Array.from({ length: 10 }, () => 0);
  for (let index = 0; index < 1000; index++) {
    const share = (renewalAtMs(life, random) - startMs) / (24 * hourMs);
    assert.ok(share >= 0.4 && share < 0.6);
    buckets[Math.floor((share - 0.4) / 0.02)]! += 1;
  }
  assert.ok(Math.min(...buckets) > 60, buckets.join(' '));
});

test('the golden schedule: fresh, due, retried with growing waits, over, renewed', () => {
  const rotation = new Rotation({ obtainedAtMs: startMs, notAfterMs: startMs + hourMs }, middle);
  const lines: string[] = [];
  let nowMs = startMs;
  lines.push(`0 ${rotation.state(nowMs)}`);
  nowMs = rotation.nextAtMs;
  lines.push(`${nowMs - startMs} ${rotation.state(nowMs)}`);
  for (let failure = 0; failure < 8; failure++) {
    rotation.failed(nowMs);
    lines.push(`${nowMs - startMs} failed, waits ${rotation.nextAtMs - nowMs}, ${rotation.state(nowMs)}`);
    nowMs = rotation.nextAtMs;
  }
  lines.push(`${nowMs - startMs} ${rotation.state(nowMs)} ${rotation.failures}`);
  rotation.renewed({ obtainedAtMs: nowMs, notAfterMs: nowMs + hourMs });
  lines.push(`${rotation.nextAtMs - nowMs} ${rotation.state(nowMs)} ${rotation.failures}`);
  assert.deepEqual(lines, [
    '0 fresh',
    '1800000 due',
    '1800000 failed, waits 500, fresh',
    '1800500 failed, waits 1000, fresh',
    '1801500 failed, waits 2000, fresh',
    '1803500 failed, waits 4000, fresh',
    '1807500 failed, waits 8000, fresh',
    '1815500 failed, waits 16000, fresh',
    '1831500 failed, waits 30000, fresh',
    '1861500 failed, waits 30000, fresh',
    '1891500 due 8',
    '1800000 fresh 0',
  ]);
});

test('a leaf of ten seconds gets at least five tries between half-life and its end', () => {
  const random = seededRandom(11);
  for (let round = 0; round < 200; round++) {
    const rotation = new Rotation({ obtainedAtMs: startMs, notAfterMs: startMs + 10_000 }, random);
    let tries = 0;
    while (rotation.nextAtMs < startMs + 10_000) {
      tries += 1;
      rotation.failed(rotation.nextAtMs);
    }
    assert.ok(tries >= 5, `${tries} tries`);
  }
});

test('waits never fall to nothing and never exceed a minute', () => {
  for (const random of [() => 0, () => 0.999_999]) {
    const rotation = new Rotation(life, random);
    let nowMs = rotation.nextAtMs;
    for (let failure = 0; failure < 50; failure++) {
      rotation.failed(nowMs);
      const waitMs = rotation.nextAtMs - nowMs;
      assert.ok(waitMs >= 100 && waitMs <= 60_000, `${waitMs}`);
      nowMs = rotation.nextAtMs;
    }
  }
});

test('a leaf is over from its last moment on, and is still retried', () => {
  const rotation = new Rotation(life, middle);
  assert.equal(rotation.state(life.notAfterMs - 1), 'due');
  assert.equal(rotation.state(life.notAfterMs), 'over');
  rotation.failed(life.notAfterMs + 5);
  assert.ok(rotation.nextAtMs > life.notAfterMs + 5);
});

test('a connection is drained at 80 % of what the shorter leaf had left', () => {
  assert.equal(drainAtMs(startMs, startMs + 10_000, startMs + 100_000), startMs + 8000);
  assert.equal(drainAtMs(startMs, startMs + 100_000, startMs + 10_000), startMs + 8000);
  assert.equal(drainAtMs(startMs, startMs - 1, startMs + 10_000), startMs);
});

test('a stored leaf is renewed at the half-life it had when it was issued', () => {
  const stored = storedLeafLife(startMs - leafBackdateMs, startMs + hourMs, startMs + hourMs / 4);
  assert.deepEqual(stored, { obtainedAtMs: startMs, notAfterMs: startMs + hourMs });
  assert.equal(renewalAtMs(stored, middle), startMs + hourMs / 2);
  // Three minutes of life and not backdated: counted from now, not from a moment after its end.
  const foreign = storedLeafLife(startMs, startMs + 180_000, startMs + 1000);
  assert.equal(foreign.obtainedAtMs, startMs + 1000);
});
