import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenAddress } from './listen-address.ts';

test('what listens on every address is reached on loopback, and an address of IPv6 stands in brackets', () => {
  const hosts = ['', '0.0.0.0', '::', '10.0.0.1', 'fd00::1', 'control.weft-system.svc'];
  assert.deepEqual(
    hosts.map((host) => listenAddress(host, 15_010)),
    [
      '127.0.0.1:15010',
      '127.0.0.1:15010',
      '127.0.0.1:15010',
      '10.0.0.1:15010',
      '[fd00::1]:15010',
      'control.weft-system.svc:15010',
    ],
  );
});
