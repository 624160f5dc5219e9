import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SidecarPair } from '../../../packages/proxy/src/fixture/mesh-fixture.ts';
import type { Target } from './codec-target.ts';

interface Sidecar {
  readonly pair: SidecarPair;
  close(): Promise<void>;
}

/** The inbound side of a sidecar that admits plaintext, before an HTTP/1.1 application: what a caller without Weft meets. */
export async function startPlainTarget(application: RequestListener = shortAnswer): Promise<Target> {
  const { pair, close } = await startSidecar(application);
  pair.mode = 'Permissive';
  return { port: pair.inbound.port, close };
}

/**
 * The same over mutual TLS. h2spec shows no certificate of the mesh and knows no `weft-h2`, so a door in front of the sidecar
 * does: what it hears on a plain socket goes over such a connection, byte for byte, and its end with it.
 */
export async function startMeshTarget(): Promise<Target> {
  const sidecar = await startSidecar(shortAnswer);
  const { pair } = sidecar;
  const sockets = new Set<Socket>();
  const door = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = connectTls({
      socket: connect({ host: '127.0.0.1', port: pair.inbound.port, allowHalfOpen: true }),
      secureContext: pair.webTls.context.context,
      ALPNProtocols: ['weft-h2'],
      // The door is no part of what is examined, and the name in the sidecar's certificate is no host.
      rejectUnauthorized: false,
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await listen(door);
  return {
    port: (door.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      door.close();
      await once(door, 'close');
      await sidecar.close();
    },
  };
}

function shortAnswer(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  request.on('end', () => response.end('conformance\n'));
}

async function startSidecar(answer: RequestListener): Promise<Sidecar> {
  const application = createHttpServer(answer);
  await listen(application);
  const pair = await SidecarPair.start((application.address() as AddressInfo).port);
  return {
    pair,
    async close() {
      pair.close();
      application.closeAllConnections();
      application.close();
      await once(application, 'close');
    },
  };
}

async function listen(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}
