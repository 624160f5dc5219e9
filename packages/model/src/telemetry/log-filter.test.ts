import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type LogFilterFacts, readLogFilter } from './log-filter.ts';

const facts: LogFilterFacts = {
  direction: 'outbound',
  protocol: 'http1',
  source: 'shop/web',
  destination: 'shop/orders',
  method: 'GET',
  authority: 'orders',
  target: '/orders/7?token=secret',
  status: 503,
  grpcStatus: -1,
  termination: { code: 'completed' },
  requestBytes: 0,
  responseBytes: 12,
  durationMs: 300,
  attempts: 2,
  upstreamAddress: '192.0.2.1:80',
  downstreamAddress: '',
  route: 'HTTPRoute shop/orders',
  rule: '0',
};

describe('a filter of the access log', () => {
  it('says of a request what it says', () => {
    const answers: readonly (readonly [string, boolean])[] = [
      ['status >= 500', true],
      ['status < 500 || duration > 250ms', true],
      ['duration > 0.3s', false],
      ['!(path startsWith "/orders") && attempts == 2', false],
      ['path == "/orders/7"', true],
      ['path contains "secret"', false],
      ['method != "GET" || destination endsWith "orders" && attempts > 1', true],
      ['grpcStatus == 0', false],
    ];
    for (const [text, expected] of answers) {
      const read = readLogFilter(text);
      assert.ok(read.ok, `${text}: ${read.ok ? '' : read.error}`);
      assert.equal(read.value(facts), expected, text);
    }
  });

  it('is refused with the place and what was expected, never with an exception', () => {
    const faults: readonly (readonly [string, RegExp])[] = [
      ['', /expected one of status/],
      ['stat > 1', /expected one of status.* at character 1, not stat/],
      ['status > "5"', /expected a number/],
      ['duration > 5', /expected a duration/],
      ['path > "a"', /expected one of == != startsWith/],
      ['(status > 1', /expected \) at character/],
      ['status > 1 status', /expected &&, \|\| or the end/],
      ['constructor == "a"', /expected one of status/],
      ['status > 1 $', /not understood at character/],
      ['('.repeat(200), /at most 16 parentheses/],
      ['!'.repeat(2_000), /at most 1024 characters/],
    ];
    for (const [text, expected] of faults) {
      const read = readLogFilter(text);
      assert.equal(read.ok, false, text);
      if (!read.ok) assert.match(read.error, expected);
    }
  });
});
