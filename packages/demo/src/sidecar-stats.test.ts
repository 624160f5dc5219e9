import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBuckets, sumMetric } from './sidecar-stats.ts';

const text = `# HELP weft_requests_total Requests that ended.
# TYPE weft_requests_total counter
weft_requests_total{direction="outbound",destination="shop/cart",code="200"} 40
weft_requests_total{direction="outbound",destination="shop/cart",code="503"} 2
weft_requests_total{direction="inbound",destination="shop/cart",code="200"} 7 1700000000.5
weft_requests_total_other{direction="outbound",destination="shop/cart"} 1000
weft_d_bucket{direction="outbound",le="0.001"} 3
weft_d_bucket{direction="outbound",le="+Inf"} 5
weft_d_bucket{direction="inbound",le="0.001"} 9
`;

test('a counter is summed over the series that have all the labels', () => {
  assert.equal(sumMetric(text, 'weft_requests_total', { direction: 'outbound' }), 42);
  assert.equal(sumMetric(text, 'weft_requests_total', { direction: 'outbound', code: '503' }), 2);
  assert.equal(sumMetric(text, 'weft_requests_total', { direction: 'sideways' }), 0);
});

test('a time stamp behind the value is not the value', () => {
  assert.equal(sumMetric(text, 'weft_requests_total', { direction: 'inbound' }), 7);
});

test('buckets are read with the infinite one', () => {
  const buckets = readBuckets(text, 'weft_d', { direction: 'outbound' });
  assert.deepEqual(
    [...buckets],
    [
      [0.001, 3],
      [Number.POSITIVE_INFINITY, 5],
    ],
  );
});
