import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { LatencyHistogram, readLatencyHistogram } from './latency-histogram.ts';
import { percentile } from './statistics.ts';

test('every percentile is within one percent of the exact one, from microseconds to seconds', () => {
  const random = seededRandom(7);
  const histogram = new LatencyHistogram();
  const exact: number[] = [];
  for (let index = 0; index < 50_000; index += 1) {
    const ms = 0.02 * 10 ** (random() * 5.5);
    exact.push(ms);
    histogram.record(ms);
  }
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
    const wanted = percentile(exact, share);
    const off = Math.abs(histogram.percentileMs(share) - wanted);
    // Whole microseconds below 128 of them.
    assert.ok(off <= Math.max(wanted * 0.01, 0.001), `${share}: ${histogram.percentileMs(share)} for ${wanted}`);
  }
});

test('what is slower than the last bucket counts as the slowest', () => {
  const histogram = new LatencyHistogram();
  histogram.record(1e9);
  assert.ok(histogram.percentileMs(1) > 66_000);
});

test('histograms add up, and survive the way to another process', () => {
  const one = new LatencyHistogram();
  const two = new LatencyHistogram();
  for (let index = 0; index < 99; index += 1) one.record(1);
  two.record(50);
  one.add(readLatencyHistogram(JSON.parse(JSON.stringify(two)) as [number, number][]));
  assert.equal(one.total, 100);
  assert.ok(Math.abs(one.percentileMs(0.99) - 1) < 0.01);
  assert.ok(Math.abs(one.percentileMs(1) - 50) < 0.5);
});

test('nothing recorded has no percentile', () => {
  assert.ok(Number.isNaN(new LatencyHistogram().percentileMs(0.5)));
});
