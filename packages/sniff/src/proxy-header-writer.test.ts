import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeProxyHeader } from './proxy-header-writer.ts';
import { readProxyHeader } from './proxy-protocol.ts';

function roundTrip(source: string, destination: string): unknown {
  const bytes = writeProxyHeader({ address: source, port: 40_000 }, { address: destination, port: 5432 });
  const read = readProxyHeader(bytes, 0, bytes.length);
  assert.ok(read.kind === 'header');
  assert.equal(read.header.bytes, bytes.length);
  assert.equal(read.header.command, 'proxy');
  return [
    read.header.sourceAddress,
    read.header.sourcePort,
    read.header.destinationAddress,
    read.header.destinationPort,
  ];
}

test('what is written is read as the same ends', () => {
  assert.deepEqual(roundTrip('192.0.2.7', '198.51.100.1'), ['192.0.2.7', 40_000, '198.51.100.1', 5432]);
  assert.deepEqual(roundTrip('2001:db8::1', 'fe80::1%eth0'), ['2001:db8::1', 40_000, 'fe80::1', 5432]);
  assert.deepEqual(roundTrip('::', '1:2:3:4:5:6:7:8'), ['::', 40_000, '1:2:3:4:5:6:7:8', 5432]);
  assert.deepEqual(roundTrip('::ffff:192.0.2.7', '198.51.100.1'), ['192.0.2.7', 40_000, '198.51.100.1', 5432]);
  assert.deepEqual(roundTrip('192.0.2.7', '2001:db8::1'), ['::ffff:192.0.2.7', 40_000, '2001:db8::1', 5432]);
});

test('ends that are no addresses are not made up', () => {
  assert.deepEqual(roundTrip('', ''), [undefined, 0, undefined, 0]);
  assert.deepEqual(roundTrip('1:2', '300.1.1.1'), [undefined, 0, undefined, 0]);
});
