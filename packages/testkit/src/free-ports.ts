import { randomInt } from 'node:crypto';
import { type Server, createServer } from 'node:net';

/**
 * Below the ports that systems give to whoever names none (32768 and up), outgoing connections and servers on port 0, of
 * which other tests open hundreds at the same time.
 */
const LOWEST = 20_000;
const HIGHEST = 30_000;
const TRIES = 100;

/** Given out by this process before: whoever got one may not have opened it yet. */
const given = new Set<number>();

/**
 * Numbers of `count` different loopback TCP ports that were free a moment ago, none of them given before. Another process
 * may take one before it is used: where a program can listen on port 0 and report the number, that is better.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries += 1) {
    if (tries === count + TRIES) throw new Error(`no ${count} free ports found between ${LOWEST} and ${HIGHEST}`);
    const port = randomInt(LOWEST, HIGHEST);
    if (given.has(port)) continue;
    given.add(port);
    const server = await open(port);
    if (server === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    ports.push(port);
  }
  return ports;
}

function open(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
