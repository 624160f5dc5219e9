import { type AddressInfo, type Server, createServer } from 'node:net';

/**
 * Numbers of `count` different loopback TCP ports that were free a moment ago. Another process may take one before it
 * is used: where a program can listen on port 0 and report the number, that is better.
 */
export async function freePorts(count: number): Promise<number[]> {
  // All are held at the same time, or the system might give the same one twice.
  const servers = await Promise.all(Array.from({ length: count }, listen));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
