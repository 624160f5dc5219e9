import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { freePort, holdPort } from './free-port.ts';

test('a held port is nobody else’s until it is released', async () => {
  const { port, release } = await holdPort();
  assert.equal(await opens(port), false);
  await release();
  assert.equal(await opens(port), true);
});

test('no port is given twice', async () => {
  const ports = await Promise.all(Array.from({ length: 200 }, () => freePort()));
  assert.equal(new Set(ports).size, ports.length);
});

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
