import assert from 'node:assert/strict';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { eventually } from '@weft/testkit';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ClusterAccess } from './cluster-access.ts';
import { forwardPort } from './port-forward.ts';

const WAIT_MS = 3000;

/** The end of a forwarded port as kubelets are one. */
class Kubelet {
  readonly paths: string[] = [];
  readonly tokens: string[] = [];
  readonly received: Buffer[] = [];
  readonly sockets: WebSocket[] = [];
  private readonly server: Server;

  constructor() {
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v4.channel.k8s.io' });
    this.server = createServer();
    this.server.on('upgrade', (request, socket, head) => {
      this.paths.push(request.url ?? '');
      this.tokens.push(request.headers.authorization ?? '');
      if (request.url?.includes('/pods/none/') === true) {
        const body = JSON.stringify({
          kind: 'Status',
          message: 'pods "none" not found',
          reason: 'NotFound',
          code: 404,
        });
        socket.end(`HTTP/1.1 404 Not Found\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
        return;
      }
      sockets.handleUpgrade(request, socket, head, (one) => {
        this.sockets.push(one);
        const port = Buffer.alloc(3);
        port.writeUInt16LE(15_013, 1);
        one.send(port);
        port[0] = 1;
        one.send(port);
        one.on('message', (message: Buffer) => this.received.push(message));
      });
    });
  }

  async listen(t: TestContext): Promise<ClusterAccess> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      for (const socket of this.sockets) socket.terminate();
      this.server.closeAllConnections();
      return new Promise<void>((resolve) => this.server.close(() => resolve()));
    });
    const { port } = this.server.address() as AddressInfo;
    const server = `http://127.0.0.1:${port}`;
    return { description: 'a test', server, prefix: '/k8s/one', token: () => 'secret', namespace: 'default' };
  }
}

const place = { namespace: 'weft-system', pod: 'weft-control-1', port: 15_013 };

test('bytes go both ways, in channel 0, after the port was named', async (t) => {
  const kubelet = new Kubelet();
  const opened = await forwardPort(await kubelet.listen(t), place);
  assert.ok(opened.ok);
  const stream = opened.value;
  assert.deepEqual(kubelet.paths, [
    '/k8s/one/api/v1/namespaces/weft-system/pods/weft-control-1/portforward?ports=15013',
  ]);
  assert.deepEqual(kubelet.tokens, ['Bearer secret']);
  const large = Buffer.alloc(100_000, 7);
  stream.write(large);
  const length = (): number => kubelet.received.reduce((sum, message) => sum + message.length - 1, 0);
  await eventually(() => length() === large.length, WAIT_MS);
  assert.ok(kubelet.received.every((message) => message[0] === 0 && message.length <= 32 * 1024 + 1));
  const arrived: Buffer[] = [];
  stream.on('data', (part: Buffer) => arrived.push(part));
  kubelet.sockets[0]!.send(Buffer.from('\u0000hello'));
  await eventually(() => Buffer.concat(arrived).toString() === 'hello', WAIT_MS);
  stream.destroy();
  await eventually(() => kubelet.sockets[0]!.readyState === 3, WAIT_MS);
});

test('the end of the pod is the end of the stream', async (t) => {
  const kubelet = new Kubelet();
  const opened = await forwardPort(await kubelet.listen(t), place);
  assert.ok(opened.ok);
  const { promise, resolve } = Promise.withResolvers<void>();
  opened.value.on('end', resolve).resume();
  kubelet.sockets[0]!.close();
  await promise;
});

test('what the kubelet says went wrong ends the stream with it', async (t) => {
  const kubelet = new Kubelet();
  const opened = await forwardPort(await kubelet.listen(t), place);
  assert.ok(opened.ok);
  const failed = new Promise<Error>((resolve) => opened.value.once('error', resolve));
  kubelet.sockets[0]!.send(Buffer.from('\u0001connection refused to 15013'));
  assert.match((await failed).message, /connection refused to 15013/);
});

test('a reader that stops holds the sender back, and nothing is lost', async (t) => {
  const kubelet = new Kubelet();
  const opened = await forwardPort(await kubelet.listen(t), place);
  assert.ok(opened.ok);
  const stream = opened.value;
  const part = Buffer.alloc(64 * 1024 + 1, 1);
  part[0] = 0;
  const messages = 400;
  for (let at = 0; at < messages; at += 1) kubelet.sockets[0]!.send(part);
  await eventually(() => stream.readableLength > 0, WAIT_MS);
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(stream.readableLength < 1024 * 1024, `${stream.readableLength} bytes wait`);
  let length = 0;
  stream.on('data', (chunk: Buffer) => (length += chunk.length));
  await eventually(() => length === messages * 64 * 1024, WAIT_MS);
  stream.destroy();
});

test('a refusal is the fault that the API server gave', async (t) => {
  const kubelet = new Kubelet();
  const opened = await forwardPort(await kubelet.listen(t), { ...place, pod: 'none' });
  assert.ok(!opened.ok);
  assert.equal(opened.error.code, 'not-found');
  assert.equal(opened.error.message, 'pods "none" not found');
});

test('a server that is not there is a fault, not an exception', async () => {
  const access = { description: '', server: 'http://127.0.0.1:1', token: () => '', namespace: '' };
  const opened = await forwardPort(access, place);
  assert.equal(opened.ok ? '' : opened.error.code, 'unreachable');
});
