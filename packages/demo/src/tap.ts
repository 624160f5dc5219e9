import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** A TCP tee: passes bytes both ways and keeps what passed. */
export class Tap {
  /** Bytes of both directions, connection by connection: [from the client, from the server]. */
  readonly recorded: { readonly client: Buffer[]; readonly server: Buffer[] }[];
  private readonly server: Server;
  private readonly sockets: Set<Socket>;

  private constructor(targetPort: () => number) {
    this.recorded = [];
    this.sockets = new Set();
    this.server = createServer((client) => {
      const record = { client: [] as Buffer[], server: [] as Buffer[] };
      this.recorded.push(record);
      const server = connect(targetPort(), '127.0.0.1');
      for (const [from, to, kept] of [
        [client, server, record.client],
        [server, client, record.server],
      ] as const) {
        this.sockets.add(from);
        from.on('data', (chunk: Buffer) => void kept.push(chunk));
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
  }

  /** Listens on a port that a sidecar had; `targetPort` says where that one is now. */
  static async listen(port: number, targetPort: () => number): Promise<Tap> {
    const tap = new Tap(targetPort);
    await new Promise<void>((resolve, reject) => {
      tap.server.once('error', reject);
      tap.server.listen(port, '127.0.0.1', () => resolve());
    });
    return tap;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }
}
