import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startHttpsEdge } from '../../../packages/proxy/src/fixture/https-edge.ts';
import type { Target } from './codec-target.ts';

/** An HTTPS listener of a gateway, before an HTTP/1.1 application: `h2` by ALPN, over TLS as browsers speak it. */
export async function startGatewayTarget(): Promise<Target> {
  const application = createServer((request, response) => {
    request.resume();
    request.on('end', () => response.end('conformance\n'));
  });
  application.listen(0, '127.0.0.1');
  await once(application, 'listening');
  const edge = await startHttpsEdge((application.address() as AddressInfo).port);
  return {
    port: edge.port,
    async close() {
      edge.close();
      application.closeAllConnections();
      application.close();
      await once(application, 'close');
    },
  };
}
