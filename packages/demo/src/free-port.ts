import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Below the ports that systems give to outgoing connections (32768 and up), which would take one back at any moment. */
const LOWEST = 20_000;
const HIGHEST = 30_000;
const TRIES = 50;

/** Given out by this process before: whoever got one may not have opened it yet. */
const given = new Set<number>();

export interface HeldPort {
  readonly port: number;
  /** Lets it go: for whoever opens it at once. */
  release(): Promise<void>;
}

/** A loopback port that nobody had a moment ago: for a process that must come back on the port it was first found at. */
export async function freePort(): Promise<number> {
  const { port, release } = await holdPort();
  await release();
  return port;
}

/** A loopback port that nobody else can take until it is released: for a program that starts much later. */
export async function holdPort(): Promise<HeldPort> {
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (given.has(port)) continue;
    // Before it is opened, so that nobody who draws the same in the meantime opens it when it is let go.
    given.add(port);
    const server = await open(port);
    if (server === undefined) continue;
    return { port, release: () => new Promise((resolve) => void server.close(() => resolve())) };
  }
  throw new Error(`no free port found between ${LOWEST} and ${HIGHEST}`);
}

function open(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    // Who comes before the program does is sent away, as if nobody listened.
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
