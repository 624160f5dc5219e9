import { bracketedHost } from '@weft/kernel';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Endpoint, HealthCheckPolicy } from '@weft/model';
import { Client } from 'undici';

/** Of a reply's body so much is read, so that the application sees its answer taken; the status says all. */
const BODY_BYTES = 64 * 1024;

/**
 * The status of a GET on this socket, which is the caller's to destroy. With `http2` it is asked in HTTP/2 from the first byte
 * (RFC 9113 §3.3), else in HTTP/1.1. Rejects when there is no answer within the policy's time-out.
 *
 * This file is loaded with the first check, and its library with it: few sidecars ever check anything.
 */
export async function askStatus(
  socket: Socket,
  { address, applicationPort }: Endpoint,
  policy: HealthCheckPolicy,
  http2: boolean,
): Promise<number> {
  // The client goes by what a handshake chose; on a plain connection the declaration takes its place, and nothing that mutual
  // TLS chose between sidecars is a word of the client's.
  if (http2) (socket as TLSSocket).alpnProtocol = 'h2';
  let given = false;
  const client = new Client(`http://${bracketedHost(address)}:${applicationPort}`, {
    allowH2: http2,
    pipelining: 1,
    connect: (_options, done) => {
      // One check, one connection: what follows a lost one would be another check.
      const lost = given ? new Error('closed before an answer') : null;
      given = true;
      // The client does not notice a connection that is there before it has finished asking.
      queueMicrotask(() => (lost === null ? done(null, socket) : done(lost, null)));
    },
  });
  try {
    const signal = AbortSignal.timeout(policy.timeoutMs);
    const { statusCode, body } = await client.request({
      method: 'GET',
      path: policy.path,
      headers: { 'user-agent': 'weft-health', 'x-request-id': randomUUID() },
      signal,
    });
    await body.dump({ limit: BODY_BYTES, signal });
    return statusCode;
  } finally {
    // Not awaited: it may wait for a peer that says nothing.
    void client.destroy();
  }
}
