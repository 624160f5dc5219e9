import type { LocalReply } from '@weft/http';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import type { Ingress } from './ingress.ts';

/**
 * The reply for an ending, from its row. Callers inside the mesh are told the reason as a machine-readable field
 * (`weft-refused`); callers outside are told the status only, since reasons name what is behind the edge. A gRPC caller
 * gets a Trailers-Only response (gRPC over HTTP/2, "Responses"). Status 0: there is nothing to reply.
 */
export function refusalReply(
  code: TerminationCode,
  detail: string,
  ingress: Ingress,
  requestContentType: string,
): LocalReply {
  const row = terminations[code];
  const inside = ingress.kind !== 'gateway';
  const refused = inside ? [{ name: 'weft-refused', value: code }] : [];
  const text = inside && detail !== '' ? `${row.text} (${detail})` : row.text;
  if (row.httpStatus !== 0 && requestContentType.startsWith('application/grpc')) {
    return {
      status: 200,
      fields: [
        ...refused,
        { name: 'grpc-status', value: String(row.grpcStatus) },
        { name: 'grpc-message', value: encodeURIComponent(`weft: ${text}`).replaceAll('%20', ' ') },
        { name: 'content-type', value: 'application/grpc' },
      ],
      contentType: 'application/grpc',
      body: '',
    };
  }
  const retryAfter = code === 'circuit-open' || code === 'rate-limited' ? [{ name: 'retry-after', value: '1' }] : [];
  return {
    status: row.httpStatus,
    fields: [...refused, ...retryAfter],
    contentType: 'text/plain; charset=utf-8',
    body: inside ? `weft: ${code}: ${text}\n` : `${row.text}\n`,
  };
}
