import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readQuantityBytes } from './quantity.ts';

describe('a quantity of bytes', () => {
  const valid: [string, number][] = [
    ['0', 0],
    ['64Ki', 65_536],
    ['1M', 1_000_000],
    ['1k', 1000],
    ['+5', 5],
    ['0.5Gi', 536_870_912],
    ['.5Ki', 512],
    ['1.Ki', 1024],
    ['1e3', 1000],
    ['1E3', 1000],
    ['1200e-2', 12],
    ['2000m', 2],
    ['128974848000m', 128_974_848],
    ['7Pi', 7 * 2 ** 50],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ];
  for (const [text, bytes] of valid) it(`reads ${text}`, () => assert.equal(readQuantityBytes(text), bytes));

  const refused: [string, string][] = [
    ['', 'nothing'],
    ['.', 'no digit'],
    ['Ki', 'no digit'],
    ['1K', 'the unit is k'],
    ['1ki', 'the unit is Ki'],
    ['1KiB', 'no such unit'],
    ['1 Ki', 'a space'],
    ['-1', 'negative'],
    ['100m', 'a tenth of a byte'],
    ['1.5', 'half a byte'],
    ['1e', 'no exponent'],
    ['1e3Ki', 'an exponent and a unit'],
    ['1E', 'above what a number holds'],
    ['9007199254740992', 'above what a number holds'],
    ['1e999', 'above what a number holds'],
    ['0x10', 'not decimal'],
    [`${'0'.repeat(64)}1`, 'too long'],
  ];
  for (const [text, why] of refused) {
    it(`refuses ${JSON.stringify(text)}: ${why}`, () => assert.equal(readQuantityBytes(text), undefined));
  }
});
