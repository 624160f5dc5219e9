import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readDurationMs, writeDuration } from './duration.ts';

describe('a duration', () => {
  const valid: [string, number][] = [
    ['0s', 0],
    ['0h', 0],
    ['250ms', 250],
    ['10s', 10_000],
    ['1h30m', 5_400_000],
    ['7230s', 7_230_000],
    ['1h30m10s', 5_410_000],
    ['10s30m1h', 5_410_000],
    ['1s1s', 2000],
    ['100ms200ms300ms', 600],
    ['99999h', 359_996_400_000],
  ];
  for (const [text, ms] of valid) it(`reads ${text}`, () => assert.equal(readDurationMs(text), ms));

  const malformed = [
    '',
    '1',
    '1m1',
    '1h30m10s20ms50h',
    '999999h',
    '1.5h',
    '-15m',
    '+1s',
    '1us',
    '1 s',
    ' 1s',
    '1s\n',
    'h',
    '1S',
    '١s',
  ];
  for (const text of malformed) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(readDurationMs(text), undefined));
  }

  it('is written largest unit first, without units of zero', () => {
    assert.equal(writeDuration(0), '0s');
    assert.equal(writeDuration(5_400_000), '1h30m');
    assert.equal(writeDuration(90_061_001), '25h1m1s1ms');
    assert.equal(writeDuration(7_230_000), '2h30s');
  });

  it('reads back as what was written', () => {
    for (let ms = 0; ms < 1e11; ms = ms * 3 + 7) assert.equal(readDurationMs(writeDuration(ms)), ms);
    assert.equal(readDurationMs(writeDuration(359_999_999_999)), 359_999_999_999);
  });

  it('is not written when the format has no text for it', () => {
    for (const ms of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 360_000_000_000]) {
      assert.throws(() => writeDuration(ms), { name: 'InvariantError' });
    }
  });
});
