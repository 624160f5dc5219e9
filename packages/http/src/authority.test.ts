import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAuthority } from './authority.ts';

test('hosts and ports are split, names in lower case, IPv6 without brackets', () => {
  assert.deepEqual(readAuthority('Shop.Example:8080'), { host: 'shop.example', port: 8080 });
  assert.deepEqual(readAuthority('shop'), { host: 'shop', port: -1 });
  assert.deepEqual(readAuthority('192.0.2.1:0'), { host: '192.0.2.1', port: 0 });
  assert.deepEqual(readAuthority('[2001:DB8::1]:443'), { host: '2001:db8::1', port: 443 });
  assert.deepEqual(readAuthority('[::]'), { host: '::', port: -1 });
  assert.deepEqual(readAuthority('[1:2:3:4:5:6:7:8]'), { host: '1:2:3:4:5:6:7:8', port: -1 });
  assert.deepEqual(readAuthority('[1:2:3:4:5:6:192.0.2.1]:1'), { host: '1:2:3:4:5:6:192.0.2.1', port: 1 });
  assert.deepEqual(readAuthority('[::ffff:192.0.2.1]'), { host: '::ffff:192.0.2.1', port: -1 });
});

test('what two readers could take differently is no authority', () => {
  const bad = ['', ':80', 'a:', 'a:x', 'a:99999', 'a:000080', 'a b', 'a,b', 'u@a', 'a/', 'a%41', 'ä', '\u0161', '::1'];
  const badV6 = [
    '[',
    '[]',
    '[:1]',
    '[::1:]',
    '[1:::2]',
    '[:1::2]',
    '[:1:2:3:4:5:6:7:8]',
    '[::1.2.3.4',
    '[1:]',
    '[1::2::3]',
    '[12345::]',
    '[1:2:3:4:5:6:7]',
    '[1:2:3:4:5:6:7::8:9]',
    '[::1]80',
  ];
  const badV4 = ['[::1.2.3]', '[::1.2.3.4.5]', '[::01.2.3.4]', '[::256.1.1.1]', '[1.2.3.4]', '[::1.2.3.4:5]'];
  for (const text of [...bad, ...badV6, ...badV4]) assert.equal(readAuthority(text), undefined, text);
});
