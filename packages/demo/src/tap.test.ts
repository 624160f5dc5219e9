import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { freePort } from './free-port.ts';
import { Tap } from './tap.ts';

test('bytes pass both ways and are kept', async () => {
  const server = createServer((socket) => void socket.on('data', (chunk) => socket.end(`heard ${chunk}`)));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  const { port: target } = server.address() as AddressInfo;
  const port = await freePort();
  const tap = await Tap.listen(port, () => target);
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const client = connect(port, '127.0.0.1', () => client.write('hello'));
    client.on('data', (chunk) => (text += chunk));
    client.on('close', () => resolve(text));
  });
  await tap.close();
  server.close();
  assert.equal(answer, 'heard hello');
  const [record] = tap.recorded;
  assert.equal(Buffer.concat(record!.client).toString(), 'hello');
  assert.equal(Buffer.concat(record!.server).toString(), 'heard hello');
});
