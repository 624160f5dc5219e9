import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readAddressRanges, writeAddressRange } from './address-range.ts';

describe('a list of address ranges', () => {
  it('is read for both families, with host bits cut off', () => {
    for (const [text, written] of [
      ['', ''],
      ['10.1.2.3/8', '10.0.0.0/8'],
      ['192.0.2.7', '192.0.2.7/32'],
      ['0.0.0.0/0', '0.0.0.0/0'],
      ['172.31.255.255/12', '172.16.0.0/12'],
      ['fd12:3456::1/8', 'fd00:0:0:0:0:0:0:0/8'],
      ['::1', '0:0:0:0:0:0:0:1/128'],
      ['2001:db8:1:2:3:4:5:6/50', '2001:db8:1:0:0:0:0:0/50'],
      ['10.0.0.0/8, fe80::/10', '10.0.0.0/8,fe80:0:0:0:0:0:0:0/10'],
    ] as const) {
      assert.equal(readAddressRanges(text)!.map(writeAddressRange).join(','), written, text);
    }
  });

  it('is refused when an entry is no address, has too long a prefix, or the list has no end', () => {
    const endless = Array.from({ length: 257 }, () => '10.0.0.0/8').join(',');
    const wrong = ['10.0.0', '10.0.0.256', '10.0.0.01', '10.0.0.0/33', '::/129', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9'];
    for (const text of [...wrong, '1:2:3:4::5:6:7:8', '12345::', 'example.com', '10.0.0.0/8,', '10.0.0.0/', endless]) {
      assert.equal(readAddressRanges(text), undefined, text);
    }
  });
});
