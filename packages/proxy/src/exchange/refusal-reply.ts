import { FieldId, GrpcKind, encodeGrpcMessage, grpcContentType, grpcKindOfType } from '@weft/http';
import type { Head, LocalReply } from '@weft/http';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import type { Ingress } from './ingress.ts';

/**
 * The reply for an ending, from its row. Callers inside the mesh are told the reason as a machine-readable field
 * (`weft-refused`); callers outside are told the status only, since reasons name what is behind the edge. A gRPC caller
 * gets a Trailers-Only response (gRPC over HTTP/2, "Responses"), a gRPC-Web caller the same in its own content type.
 * `fields` go with it. Status 0: there is nothing to reply.
 */
export function refusalReply(
  code: TerminationCode,
  detail: string,
  ingress: Ingress,
  requestContentType: string,
  fields: LocalReply['fields'] = [],
): LocalReply {
  const row = terminations[code];
  const inside = ingress.kind !== 'gateway';
  const refused = inside ? [{ name: 'weft-refused', value: code }] : [];
  const text = inside && detail !== '' ? `${row.text} (${detail})` : row.text;
  const grpc = grpcKindOfType(requestContentType);
  if (row.httpStatus !== 0 && grpc !== GrpcKind.None) {
    const contentType = grpcContentType(grpc, requestContentType);
    return {
      status: 200,
      fields: [
        ...refused,
        { name: 'grpc-status', value: String(row.grpcStatus) },
        { name: 'grpc-message', value: encodeGrpcMessage(`weft: ${text}`) },
        { name: 'content-type', value: contentType },
        ...fields,
      ],
      contentType,
      body: '',
    };
  }
  const retryAfter = code === 'circuit-open' || code === 'rate-limited' ? [{ name: 'retry-after', value: '1' }] : [];
  return {
    status: row.httpStatus,
    fields: [...refused, ...retryAfter, ...fields],
    contentType: 'text/plain; charset=utf-8',
    body: inside ? `weft: ${code}: ${text}\n` : `${row.text}\n`,
  };
}

/** The reason in `weft-refused` when it is a row this build knows. */
export function readRefused(head: Head): TerminationCode | '' {
  if (head.field(FieldId.WeftOwned) < 0) return '';
  const value = head.valueOf('weft-refused');
  return value !== undefined && Object.hasOwn(terminations, value) ? (value as TerminationCode) : '';
}
