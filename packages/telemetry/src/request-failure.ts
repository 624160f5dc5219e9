import type { Termination } from '@weft/outcome';

/**
 * Statuses of gRPC that name a fault of the server, as `500` and above do: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED,
 * INTERNAL, UNAVAILABLE, DATA_LOSS. The others are answers, as `404` is. OpenTelemetry's conventions for servers draw the
 * same line.
 */
const GRPC_FAILURES: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

/**
 * Whether a request, or a connection, counts as a failure of a server or of the mesh: the one definition of metrics,
 * log lines and decision records; spans and `when: Errors` add what callers are at fault for. `status` is 0 and `grpcStatus` -1 where there is none.
 */
export function isFailure(status: number, grpcStatus: number, termination: Termination): boolean {
  const { fault } = termination;
  return fault === 'server' || fault === 'mesh' || status >= 500 || GRPC_FAILURES.has(grpcStatus);
}
