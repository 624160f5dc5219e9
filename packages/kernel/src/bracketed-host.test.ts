import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bracketedHost } from './bracketed-host.ts';

test('addresses of IPv6 are bracketed once, and nothing else is', () => {
  const hosts = ['::1', 'fd00::8', '[fd00::8]', '10.0.0.1', 'orders.shop', ''];
  assert.deepEqual(hosts.map(bracketedHost), ['[::1]', '[fd00::8]', '[fd00::8]', '10.0.0.1', 'orders.shop', '']);
});
