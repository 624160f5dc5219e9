import http2 from 'node:http2';
import { fileURLToPath } from 'node:url';
import { type ServiceError, credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { Client, ClientReadableStream } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const TIMEOUT_MS = 10_000;
const proto = fileURLToPath(new URL('../services/prices.proto', import.meta.url));

interface Price {
  readonly name: string;
  readonly cents: number;
  readonly turn: number;
}

interface PricesClient extends Client {
  Get(item: object, done: (error: ServiceError | null, price?: Price) => void): void;
  Watch(item: object): ClientReadableStream<Price>;
}

interface Loaded {
  readonly shop: {
    readonly v1: { readonly Prices: new (...args: ConstructorParameters<typeof Client>) => PricesClient };
  };
}

/** A gRPC client of the prices as any program has one, pointed at a sidecar's port. */
export class PricesCaller {
  private readonly client: PricesClient;

  constructor(proxyPort: number) {
    const { Prices } = (loadPackageDefinition(loadSync(proto)) as unknown as Loaded).shop.v1;
    this.client = new Prices(`127.0.0.1:${proxyPort}`, credentials.createInsecure(), {
      'grpc.default_authority': 'prices',
      'grpc.enable_retries': 0,
    });
  }

  /** Rejects with the status when it is not OK. */
  get(name: string): Promise<Price> {
    return new Promise((resolve, reject) => {
      this.client.Get({ name }, (error, price) => (error === null ? resolve(price!) : reject(error)));
    });
  }

  /** Every message of the stream. */
  async watch(name: string, times: number): Promise<Price[]> {
    const prices: Price[] = [];
    for await (const price of this.client.Watch({ name, times })) prices.push(price as Price);
    return prices;
  }

  close(): void {
    this.client.close();
  }
}

/** How a call ended, as it stood on the wire. */
export interface BareEnding {
  readonly httpStatus: number;
  readonly grpcStatus: string;
  readonly message: string;
  /** `weft-refused`; empty without. */
  readonly refused: string;
  readonly tookMs: number;
}

/**
 * A unary call with an empty message by a client that keeps no deadline of its own: what ends it is the mesh or the server.
 * `timeout` is the value of `grpc-timeout`. Rejects when there was no ending in 10 s.
 */
export function callBare(proxyPort: number, authority: string, path: string, timeout: string): Promise<BareEnding> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${proxyPort}`);
    session.on('error', reject);
    const ending: Record<string, unknown> = {};
    let startMs = 0;
    session.once('remoteSettings', () => {
      startMs = performance.now();
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        ':authority': authority,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(timeout === '' ? {} : { 'grpc-timeout': timeout }),
      });
      stream.setTimeout(TIMEOUT_MS, () => stream.destroy(new Error(`${path}: no ending in 10 s`)));
      stream.on('response', (fields) => Object.assign(ending, fields));
      stream.on('trailers', (fields) => Object.assign(ending, fields));
      stream.on('error', reject);
      stream.on('close', () => {
        session.close();
        const text = (name: string): string => String(ending[name] ?? '');
        resolve({
          httpStatus: Number(ending[':status'] ?? 0),
          grpcStatus: text('grpc-status'),
          message: decodeURIComponent(text('grpc-message')),
          refused: text('weft-refused'),
          tookMs: performance.now() - startMs,
        });
      });
      stream.resume();
      stream.end(Buffer.alloc(5));
    });
  });
}
