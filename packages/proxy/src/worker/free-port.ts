import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/**
 * Proves that nobody else listens on a port, by listening on it alone for a moment; 0 finds a free one. Workers share
 * ports by `reusePort`, which a program that already shares one the same way would not notice.
 *
 * Rejects with the system's error.
 */
export async function provePortFree(host: string, port: number): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, resolve);
  });
  const free = (server.address() as AddressInfo).port;
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  return free;
}
