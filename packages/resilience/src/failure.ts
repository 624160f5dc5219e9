import { type TerminationCode, terminations } from '@weft/outcome';

/** gRPC status UNAVAILABLE (google.rpc.Code). */
const GRPC_UNAVAILABLE = 14;

/** `grpcStatus` of a response that has none (yet). */
export const NO_GRPC_STATUS = -1;

/**
 * What a response head says about the endpoint that sent it. `success`: it works, and this fast. `alive`: it works, but a
 * 4xx or an Upgrade is no measure of speed. `failure`: it does not work. `overloaded`: no fault of its own, yet sending more
 * there now is unwise. `nothing`: a policy spoke, not the application.
 */
export type HeadVerdict = 'success' | 'alive' | 'failure' | 'overloaded' | 'nothing';

/**
 * Failures are 502, 503, 504 and gRPC UNAVAILABLE. 500 is not: it is more often the request than the instance.
 *
 * `refused` is the code of a `weft-refused` header of a mesh peer, or ''. Such a reply was written by the peer's sidecar, so
 * its row decides and not its status: a row with fault `server` (the application behind it refused, reset or timed out)
 * is the endpoint's failure; `mesh` or `none` (a limit there, draining) is `overloaded`; `client` (denied) is `nothing`.
 */
export function judgeHead(status: number, grpcStatus: number, refused: TerminationCode | ''): HeadVerdict {
  if (refused !== '') {
    const fault = terminations[refused].fault;
    if (fault === 'server') return 'failure';
    return fault === 'client' ? 'nothing' : 'overloaded';
  }
  if (status >= 502 && status <= 504) return 'failure';
  if (grpcStatus === GRPC_UNAVAILABLE) return 'failure';
  return status < 200 || (status >= 400 && status < 500) ? 'alive' : 'success';
}

/** True when an ending before the response head is the endpoint's failure: connect, TLS, reset, timeout. */
export function isEndpointFailure(code: TerminationCode): boolean {
  // REFUSED_STREAM says "not now": an endpoint that drains or is full, not one that is broken.
  return terminations[code].fault === 'server' && code !== 'stream-refused';
}
