import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hop, WhyResponse } from '@weft/wire';
import { writeWhy } from './hop-text.ts';

const hop: Hop = {
  requestId: 'r1',
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  startedAtMs: 1_700_000_000_000,
  durationMs: 12.5,
  direction: 'Outbound',
  protocol: 'http1',
  method: 'GET',
  authority: 'orders.shop',
  path: '/orders/\u001b[31m7',
  source: 'shop/web',
  destination: 'shop/orders:80',
  status: 503,
  grpcStatus: -1,
  termination: 'connect-refused',
  detail: 'ECONNREFUSED',
  route: 'HTTPRoute shop/orders',
  rule: 'all',
  match: 'PathPrefix /',
  passedOver: [
    {
      route: 'HTTPRoute shop/orders',
      rule: 'beta',
      match: 'PathPrefix /',
      field: 'header',
      name: 'x-beta',
      expected: 'yes',
      actual: '',
    },
  ],
  passedOverCount: 3,
  passedOverUnknown: '',
  backends: [
    { backend: 'shop/orders:80', weight: 3 },
    { backend: 'shop/next:80', weight: 1 },
  ],
  drawn: 0,
  attempts: [
    {
      endpoint: 'orders-1',
      address: '127.0.0.1:9000',
      startedMs: 0.1,
      durationMs: 3,
      connectMs: -1,
      status: 0,
      termination: 'connect-refused',
      score: 1.5,
      rival: 'orders-2',
      rivalScore: 9,
      retryReason: 'NeverSent',
      backoffMs: 4,
    },
  ],
  backend: {
    endpoints: 3,
    healthy: 2,
    ejected: 1,
    unhealthy: 0,
    slowStart: 0,
    panic: true,
    ejectedForMs: 900,
    breaker: 'closed',
    activeRequests: 1,
    budgetRequests: 10,
    budgetRetries: 1,
  },
  spent: {
    decideMs: 0.1,
    backoffMs: 4,
    earlierMs: 3,
    connectMs: 1,
    tlsMs: 0.5,
    upstreamMs: -1,
    responseMs: -1,
    ownMs: 0.05,
  },
  requestTimeoutMs: 15_000,
  tryTimeoutMs: 0,
  leftMs: 14_987.5,
  retriesAllowed: 2,
  budgetSpent: true,
  upstreamIdentity: '',
  requestBytes: 0,
  responseBytes: 12,
  version: 'a1',
  versionNow: 'b2',
  kept: 'error',
};

const ring = (proxy: string, silent: string): WhyResponse['rings'][number] => ({
  proxy,
  silent,
  reach:
    silent === ''
      ? { records: 7, samplesSinceMs: 1_699_999_940_000, errorsSinceMs: 0, sampledOneIn: 4, rings: 1 }
      : null,
});

test('a hop says what was decided, by what, and where the time went; effects stand under their causes', () => {
  const text = writeWhy(
    'r1',
    {
      hops: [
        { proxy: 'shop/web-1', workload: 'shop/web', depth: 0, hop },
        { proxy: 'shop/orders-1', workload: 'shop/orders', depth: 1, hop: { ...hop, direction: 'Inbound' } },
      ],
      rings: [ring('shop/web-1', ''), ring('shop/gone-1', 'no answer within a second')],
    },
    1_700_000_000_000,
    false,
  );
  for (const expected of [
    '2 hops, 1 of 2 proxies answered',
    'not answered: shop/gone-1 (no answer within a second)',
    'shop/web-1 sent GET orders.shop/orders/ [31m7   503 connect-refused (ECONNREFUSED) in 12.5ms',
    'HTTPRoute shop/orders, rule beta: PathPrefix / - header x-beta is not there, not yes',
    '2 more; -o json shows 1',
    'shop/orders:80 75 % (drawn), shop/next:80 25 %',
    'orders-1 (127.0.0.1:9000) at +0.1ms: connect-refused after 3ms, score 1.5 beside orders-2 with 9; again after 4ms because of NeverSent',
    '2 of 3 healthy, 1 ejected (next probe in 900ms), panic: all are used, breaker closed, retry budget 1 of 10 requests, spent',
    'time-out 15s, 14s left, 2 retries allowed',
    'earlier tries 3ms, backing off 4ms, connection 1ms, of it TLS 0.5ms',
    'plaintext',
    'a1, b2 is in force now; kept as error',
    '\n  shop/orders-1 received',
  ]) {
    assert.ok(text.includes(expected), `${expected}\nin\n${text}`);
  }
  assert.doesNotMatch(text, /\u001b/);
});

test('a request that nobody remembers leads to how far back each one reaches', () => {
  const rings = [ring('shop/web-1', ''), ring('shop/gone-1', 'its stream is gone')];
  assert.equal(
    writeWhy('nothing', { hops: [], rings }, 1_700_000_000_000, false),
    'nobody remembers nothing; 1 of 2 proxies answered:\n' +
      '  shop/web-1: 7 records, no errors, 1 in 4 of the others of the last 1m\n' +
      '  shop/gone-1: its stream is gone\n',
  );
});
