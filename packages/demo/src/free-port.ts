import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A loopback port that nobody had a moment ago: for a process that must come back on the port it was first found at. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
