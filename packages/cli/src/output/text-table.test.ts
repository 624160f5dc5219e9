import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showsColour } from './terminal.ts';
import { writeTable } from './text-table.ts';

test('columns are as wide as their widest cell and the last one ends the line', () => {
  const table = writeTable(
    ['proxy', 'state'],
    [
      ['shop/cart-1', 'Synced'],
      ['a', 'Behind by 2'],
    ],
    false,
  );
  assert.equal(table, 'PROXY         STATE\nshop/cart-1   Synced\na             Behind by 2\n');
});

test('an empty or absent cell shows as a dash, so that columns can be counted', () => {
  assert.equal(writeTable(['a', 'b', 'c'], [['', 'x']], false), 'A   B   C\n-   x   -\n');
});

test('what a peer put into a cell can neither break the line nor colour it', () => {
  assert.equal(writeTable(['a', 'b'], [['x\n\u001b[31my', 'z']], false), 'A         B\nx [31my   z\n');
});

test('colours do not count as width, and are absent unless asked for', () => {
  const rows = [[{ text: 'no', colour: 'red' } as const, 'x']];
  assert.equal(writeTable(['a', 'b'], rows, true), 'A    B\n\u001b[31mno\u001b[0m   x\n');
  assert.equal(writeTable(['a', 'b'], rows, false), 'A    B\nno   x\n');
});

test('colours are shown on terminals only, and never against NO_COLOR', () => {
  assert.equal(showsColour(true, {}), true);
  assert.equal(showsColour(false, {}), false);
  assert.equal(showsColour(true, { NO_COLOR: '1' }), false);
  assert.equal(showsColour(true, { NO_COLOR: '' }), true);
  assert.equal(showsColour(true, { TERM: 'dumb' }), false);
});
