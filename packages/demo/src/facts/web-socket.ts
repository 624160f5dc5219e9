import { createHash, randomBytes } from 'node:crypto';
import type { ServiceCounts, WebSocketCounts } from '../service-process.ts';
import { shopId } from '../shop-config.ts';
import type { Shop } from '../shop.ts';
import type { Trial } from './fact.ts';

const MESSAGES = 200;
const LARGE_BYTES = 1 << 20;
const PATIENCE_MS = 10_000;

interface FrontCounts extends ServiceCounts {
  readonly webSockets: WebSocketCounts;
}

/** A browser's WebSocket to the gateway, and through two proxies to the front, which says everything back. */
export const webSocket: Trial<Shop> = {
  facts: [
    {
      name: 'a WebSocket through the gateway and the mesh',
      expected: `${MESSAGES} messages and 1 MiB come back the same, by edge`,
    },
  ],
  async run(shop) {
    const { service } = shop.instance('web');
    const before = (await service.counts<FrontCounts>()).webSockets;
    const sent = Array.from({ length: MESSAGES }, (_, index) => Buffer.from(`message ${index}`));
    sent.push(randomBytes(LARGE_BYTES));
    const received = await exchange(`ws://127.0.0.1:${shop.edgePort}/talk`, sent);
    const after = (await service.counts<FrontCounts>()).webSockets;
    const edge = shopId('edge');
    const byEdge = (after.byIdentity[edge] ?? 0) - (before.byIdentity[edge] ?? 0);
    const counted = after.messages - before.messages;
    const bytes = after.bytes - before.bytes;
    const same = digest(received) === digest(sent);
    return [
      {
        ok: same && byEdge === 1 && after.opened - before.opened === 1 && counted === sent.length,
        measured: `${received.length} messages came back${same ? ' the same' : ', not the same'}; the front counted ${counted} with ${bytes} bytes, on ${byEdge} connection by edge`,
      },
    ];
  },
};

/** Sends all at once, and gives what came back when as much has come. */
function exchange(url: string, messages: readonly Buffer[]): Promise<Buffer[]> {
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const timer = setTimeout(
      () => end(new Error(`only ${received.length} of ${messages.length} came back`)),
      PATIENCE_MS,
    );
    const end = (error?: Error): void => {
      clearTimeout(timer);
      socket.close();
      if (error === undefined) resolve(received);
      else reject(error);
    };
    socket.addEventListener('open', () => {
      for (const message of messages) socket.send(new Uint8Array(message));
    });
    socket.addEventListener('message', ({ data }) => {
      received.push(Buffer.from(data as ArrayBuffer));
      if (received.length === messages.length) end();
    });
    socket.addEventListener('error', () => end(new Error('the WebSocket failed')));
    socket.addEventListener('close', () => end(new Error(`closed after ${received.length} messages`)));
  });
}

/** Of the messages with their borders. */
function digest(messages: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const message of messages) hash.update(`${message.length}:`).update(message);
  return hash.digest('hex');
}
