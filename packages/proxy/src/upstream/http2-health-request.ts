import { randomUUID } from 'node:crypto';
import { connect, constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Endpoint, HealthCheckPolicy } from '@weft/model';

/**
 * The status of a GET over HTTP/2 on this socket, for an endpoint that declares it. By Node's own client, which is loaded
 * when the first check needs it. The status says all: the body is left unread.
 */
export function askHttp2Status(socket: Duplex, endpoint: Endpoint, policy: HealthCheckPolicy): Promise<number> {
  const { address, applicationPort } = endpoint;
  const host = address.includes(':') ? `[${address}]` : address;
  const authority = `${host}:${applicationPort}`;
  return new Promise((resolve, reject) => {
    const session = connect(`http://${authority}`, { createConnection: () => socket });
    session.on('error', reject);
    session.on('close', () => reject(new Error('closed before an answer')));
    const asked = session.request(
      { ':path': policy.path, 'user-agent': 'weft-health', 'x-request-id': randomUUID() },
      { signal: AbortSignal.timeout(policy.timeoutMs) },
    );
    asked.on('error', reject);
    asked.once('response', (head) => {
      resolve(Number(head[constants.HTTP2_HEADER_STATUS]));
      session.destroy();
    });
    asked.end();
  });
}
