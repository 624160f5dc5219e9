import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hasPort, readPortRanges, writePortRanges } from './port-ranges.ts';

describe('a list of ports', () => {
  it('is read in any order, with neighbours and overlaps joined', () => {
    for (const [text, read] of [
      ['', ''],
      ['80', '80'],
      [' 9000-9010, 25 ,26', '25-26,9000-9010'],
      ['1-10,5-20,21,65535', '1-21,65535'],
    ] as const) {
      assert.equal(writePortRanges(readPortRanges(text)!), read, text);
    }
  });

  it('is refused when a port is none, a range is the wrong way round, or the list has no end', () => {
    const endless = Array.from({ length: 257 }, (_, index) => 2 * index + 1).join(',');
    for (const text of ['0', '65536', '80,', 'http', '20-10', '1-2-3', '-1', endless]) {
      assert.equal(readPortRanges(text), undefined, text);
    }
  });

  it('says whether a port is in it', () => {
    const ranges = readPortRanges('25,9000-9010')!;
    assert.deepEqual(
      [24, 25, 26, 9000, 9010, 9011].map((port) => hasPort(ranges, port)),
      [false, true, false, true, true, false],
    );
  });
});
