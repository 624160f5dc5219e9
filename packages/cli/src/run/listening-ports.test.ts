import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import type { AddressInfo } from 'node:net';
import { parseSocketTable, readListeningPorts } from './listening-ports.ts';

test('listening sockets are told apart by whether others reach them', () => {
  const v4 = `  sl  local_address rem_address   st tx_queue
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   1: 00000000:1F91 00000000:0000 0A 00000000:00000000
   2: 0100007F:1F92 0100007F:D431 01 00000000:00000000
   3: 0101A8C0:1F93 00000000:0000 0A 00000000:00000000
`;
  assert.deepEqual(parseSocketTable(v4), [
    { port: 8080, exposed: false },
    { port: 8081, exposed: true },
    { port: 8083, exposed: true },
  ]);
  const v6 = `  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0
   1: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A 0
   2: 0000000000000000FFFF00000100007F:1F92 00000000000000000000000000000000:0000 0A 0
`;
  assert.deepEqual(parseSocketTable(v6), [
    { port: 8080, exposed: true },
    { port: 8081, exposed: false },
    { port: 8082, exposed: false },
  ]);
});

test('what this machine listens on is found', { skip: process.platform !== 'linux' }, async () => {
  for (const [host, exposed] of [
    ['127.0.0.1', false],
    ['0.0.0.0', true],
  ] as const) {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, host, resolve));
    const { port } = server.address() as AddressInfo;
    assert.deepEqual(
      readListeningPorts().filter((found) => found.port === port),
      [{ port, exposed }],
    );
    await new Promise((resolve) => void server.close(resolve));
  }
});
