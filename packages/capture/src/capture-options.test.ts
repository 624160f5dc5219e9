import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CaptureWords, readCapturePlan } from './capture-options.ts';

const words: CaptureWords = {
  inbound: 'all',
  outbound: '1000,1001',
  excludeInboundPorts: '22',
  excludeOutboundPorts: '',
  excludeOutboundRanges: '10.0.0.0/8',
  proxyUser: '15001',
  inboundPort: '15006',
  outboundPort: '15001',
};

describe('options of capture', () => {
  it('become a plan', () => {
    assert.deepEqual(readCapturePlan(words), {
      ok: true,
      value: {
        proxyUser: 15_001,
        outboundPort: 15_001,
        inboundPort: 15_006,
        inbound: 'all',
        outbound: [1000, 1001],
        excludedInboundPorts: [{ from: 22, to: 22 }],
        excludedOutboundPorts: [],
        excludedOutboundRanges: [{ family: 4, address: '10.0.0.0', prefixBits: 8 }],
      },
    });
  });

  it('are refused one by one, by name', () => {
    for (const [change, message] of [
      [{ inbound: 'every' }, /^--inbound "every": expected all, or ports/],
      [{ outbound: 'root' }, /^--outbound "root": expected all, or numbers of users/],
      [{ outbound: '4294967295' }, /^--outbound /],
      [{ outbound: '15001' }, /the user of the proxy/],
      [{ excludeInboundPorts: '0' }, /^--exclude-inbound-ports "0"/],
      [{ excludeOutboundPorts: 'x' }, /^--exclude-outbound-ports "x"/],
      [{ excludeOutboundRanges: 'x' }, /^--exclude-outbound-ranges "x"/],
      [{ proxyUser: '' }, /^--proxy-user is empty/],
      [{ inboundPort: '1-2' }, /^--inbound-port "1-2"/],
      [{ outboundPort: '15006' }, /are the same/],
    ] as const) {
      const read = readCapturePlan({ ...words, ...change });
      assert.match(read.ok ? '' : read.error, message);
    }
  });
});
