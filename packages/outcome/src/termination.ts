/**
 * The Termination table: every way in which an exchange or a connection can end, in one place.
 *
 * Replies, retries, metric labels, log lines and the reference page in `docs/terminations.md` derive from these rows;
 * nothing else in Weft decides what an ending means. A row says
 *
 * - `side`: who brought the ending about. `downstream` is the peer that sent the request, `upstream` the peer that was
 *   to answer it, `local` this proxy (a limit, a policy, its configuration, its own shutdown).
 * - `moment`: how far the request had come. `before-send`: no byte of it reached an upstream, so trying elsewhere is safe
 *   for any method. `after-send`: bytes were sent and no response head was read. `after-head`: the response had begun.
 * - `fault`: whose failure it is, for breakers and ejection. Only `server` counts against an endpoint.
 * - `retry`: `never`; `if-unsent` (RFC 9110 §9.2.2 does not matter, nothing was sent); `if-idempotent` (§9.2.2 applies).
 *   `retryOn` names the configuration word of `TrafficPolicy.retries.on` that admits it.
 * - `httpStatus`: the reply when one can still be sent; 0 when the ending is no reply (the peer is gone or has been answered).
 * - `grpcStatus`: the numeric gRPC status of the same reply (0 where there is none).
 * - `http2Code`: the RST_STREAM or GOAWAY error code (RFC 9113 §7).
 * - `connection`: what becomes of the downstream connection.
 * - `log`: the level of its log line.
 */
export interface Termination {
  readonly code: TerminationCode;
  readonly side: 'downstream' | 'local' | 'upstream';
  readonly moment: 'before-send' | 'after-send' | 'after-head';
  readonly fault: 'none' | 'client' | 'server' | 'mesh';
  readonly retry: 'never' | 'if-unsent' | 'if-idempotent';
  readonly retryOn: RetryReason | undefined;
  readonly httpStatus: number;
  readonly grpcStatus: number;
  readonly http2Code: number;
  readonly connection: 'keep' | 'close';
  readonly log: 'debug' | 'info' | 'warn' | 'error';
  /** One sentence for a person: what happened. */
  readonly text: string;
}

/** The words of `TrafficPolicy.spec.retries.on`. `Statuses` and `GrpcStatuses` are decided on heads, not by a row. */
export type RetryReason = 'NeverSent' | 'ResetBeforeHeaders' | 'GatewayError' | 'PerTryTimeout';

type Row = Omit<Termination, 'code'>;

const OK = 0;
const CANCELLED = 1;
const INVALID = 3;
const DEADLINE = 4;
const NOT_FOUND = 5;
const DENIED = 7;
const EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;
// RFC 9113 §7
const NO_ERROR = 0;
const PROTOCOL_ERROR = 1;
const INTERNAL_ERROR = 2;
const REFUSED_STREAM = 7;
const CANCEL = 8;
const SETTINGS_TIMEOUT = 4;
const ENHANCE_YOUR_CALM = 11;

const row = (
  side: Termination['side'],
  moment: Termination['moment'],
  fault: Termination['fault'],
  retry: Termination['retry'],
  retryOn: RetryReason | undefined,
  httpStatus: number,
  grpcStatus: number,
  http2Code: number,
  connection: Termination['connection'],
  log: Termination['log'],
  text: string,
): Row => ({ side, moment, fault, retry, retryOn, httpStatus, grpcStatus, http2Code, connection, log, text });

/* eslint-disable -- a table reads best as one */
// prettier-ignore
const rows = {
  // The good ending. An upstream's own 4xx or 5xx is `completed` too: it is an answer, classified by its status.
  'completed': row('upstream', 'after-head', 'none', 'never', undefined, 0, OK, NO_ERROR, 'keep', 'debug', 'the response was delivered whole'),

  // What the downstream peer sent (RFC 9112): one request has one length, anything ambiguous is refused and the connection closed.
  'malformed-request': row('downstream', 'before-send', 'client', 'never', undefined, 400, INVALID, PROTOCOL_ERROR, 'close', 'info', 'the request is not well-formed HTTP'),
  'head-too-large': row('downstream', 'before-send', 'client', 'never', undefined, 431, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'info', 'the request head exceeds its limit'),
  'target-too-long': row('downstream', 'before-send', 'client', 'never', undefined, 414, INVALID, ENHANCE_YOUR_CALM, 'close', 'info', 'the request target exceeds its limit'),
  'transfer-coding-unknown': row('downstream', 'before-send', 'client', 'never', undefined, 501, UNIMPLEMENTED, PROTOCOL_ERROR, 'close', 'info', 'the transfer coding is not chunked'),
  'version-not-supported': row('downstream', 'before-send', 'client', 'never', undefined, 505, UNIMPLEMENTED, PROTOCOL_ERROR, 'close', 'info', 'the HTTP version is not served here'),
  'expectation-failed': row('downstream', 'before-send', 'client', 'never', undefined, 417, INVALID, PROTOCOL_ERROR, 'close', 'info', 'the expectation is not 100-continue'),
  'method-not-served': row('downstream', 'before-send', 'client', 'never', undefined, 501, UNIMPLEMENTED, PROTOCOL_ERROR, 'close', 'info', 'this listener does not serve the method'),
  'malformed-request-body': row('downstream', 'after-send', 'client', 'never', undefined, 400, INVALID, PROTOCOL_ERROR, 'close', 'info', 'the request body is not well framed'),
  'request-head-timeout': row('downstream', 'before-send', 'client', 'never', undefined, 408, CANCELLED, CANCEL, 'close', 'info', 'the request head did not arrive in time'),
  'request-body-timeout': row('downstream', 'after-send', 'client', 'never', undefined, 408, CANCELLED, CANCEL, 'close', 'info', 'the request body stalled'),
  'downstream-reset': row('downstream', 'after-send', 'client', 'never', undefined, 0, CANCELLED, CANCEL, 'close', 'info', 'the caller went away before the response was whole'),
  'downstream-write-timeout': row('downstream', 'after-head', 'client', 'never', undefined, 0, CANCELLED, CANCEL, 'close', 'info', 'the caller stopped reading'),
  'downstream-tls-failed': row('downstream', 'before-send', 'client', 'never', undefined, 0, UNAVAILABLE, NO_ERROR, 'close', 'info', 'the TLS handshake with the caller failed'),
  'wrong-scheme': row('downstream', 'before-send', 'client', 'never', undefined, 0, UNAVAILABLE, PROTOCOL_ERROR, 'close', 'info', 'the first bytes are neither HTTP nor mesh TLS'),

  // HTTP/2 connections that were closed (RFC 9113 §10.5): the first for silence, the others with ENHANCE_YOUR_CALM.
  'settings-timeout': row('downstream', 'before-send', 'client', 'never', undefined, 0, CANCELLED, SETTINGS_TIMEOUT, 'close', 'info', 'the caller did not acknowledge our SETTINGS in time'),
  'flood-reset': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller reset too many streams before they were answered, or made us reset them'),
  'flood-settings': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many SETTINGS or GOAWAY frames'),
  'flood-ping': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many PING frames'),
  'flood-priority': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many PRIORITY frames'),
  'flood-window-update': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many WINDOW_UPDATE frames, or windows too small'),
  'flood-empty-data': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many empty DATA frames'),
  'flood-unknown-frame': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many frames of unknown types'),
  'flood-table-size': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller resized the header table too often'),
  'flood-late-frame': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many frames for streams that are gone'),
  'flood-padding': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many DATA frames of mere padding'),
  'flood-large-head': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many heads beyond their limit'),
  'flood-unread-replies': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller asks for replies and reads none'),
  'flood-settings-entries': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent too many entries in one SETTINGS frame'),
  'flood-continuation': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller cut a header block into too many frames'),
  'flood-header-block': row('downstream', 'before-send', 'client', 'never', undefined, 0, EXHAUSTED, ENHANCE_YOUR_CALM, 'close', 'warn', 'the caller sent a header block beyond its limit'),

  'client-hello-expected': row('downstream', 'before-send', 'client', 'never', undefined, 0, UNAVAILABLE, PROTOCOL_ERROR, 'close', 'info', 'a route by server name needs a TLS ClientHello first'),
  'proxy-header-expected': row('downstream', 'before-send', 'client', 'never', undefined, 0, UNAVAILABLE, PROTOCOL_ERROR, 'close', 'info', 'the connection does not begin with the PROXY protocol header that this Gateway is told to expect'),
  'protocol-unknown': row('downstream', 'before-send', 'client', 'never', undefined, 0, UNAVAILABLE, PROTOCOL_ERROR, 'close', 'info', 'the port has routes of HTTP and the first bytes are none'),

  // Identity, on either side: decided by our own verification, before the first application byte.
  'peer-identity-refused': row('downstream', 'before-send', 'client', 'never', undefined, 0, UNAUTHENTICATED, REFUSED_STREAM, 'close', 'warn', 'the peer has no identity that this mesh accepts'),
  'mtls-required': row('downstream', 'before-send', 'client', 'never', undefined, 403, UNAUTHENTICATED, REFUSED_STREAM, 'close', 'warn', 'this port takes mutual TLS of the mesh only'),
  'cross-site-origin': row('downstream', 'before-send', 'client', 'never', undefined, 403, DENIED, REFUSED_STREAM, 'close', 'warn', 'a local listener does not serve pages of other sites'),

  // What this proxy decided.
  'no-route': row('local', 'before-send', 'client', 'never', undefined, 404, UNIMPLEMENTED, NO_ERROR, 'keep', 'info', 'no rule of the attached routes matches'),
  'unknown-host': row('local', 'before-send', 'client', 'never', undefined, 404, NOT_FOUND, NO_ERROR, 'keep', 'info', 'the host is neither a service of the mesh nor allowed by egress'),
  'egress-refused': row('local', 'before-send', 'client', 'never', undefined, 403, DENIED, NO_ERROR, 'keep', 'info', 'egress is DeclaredOnly and the host is not declared'),
  'backend-not-found': row('local', 'before-send', 'mesh', 'never', undefined, 500, UNAVAILABLE, REFUSED_STREAM, 'keep', 'warn', 'the matched rule refers to a backend that does not resolve'),
  'no-config': row('local', 'before-send', 'mesh', 'if-unsent', undefined, 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'warn', 'the control plane has not answered for this destination'),
  'misdirected': row('local', 'before-send', 'client', 'never', undefined, 421, UNAVAILABLE, REFUSED_STREAM, 'keep', 'info', 'the request is not for this workload'),
  'loop-detected': row('local', 'before-send', 'client', 'never', undefined, 508, INTERNAL, REFUSED_STREAM, 'close', 'warn', 'the destination is one of our own listeners'),
  'fault-aborted': row('local', 'before-send', 'mesh', 'never', undefined, 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'info', 'a fault policy ended the request'),
  'filter-replied': row('local', 'before-send', 'none', 'never', undefined, 0, OK, NO_ERROR, 'keep', 'debug', 'a rule of the route answered by itself'),
  'denied': row('local', 'before-send', 'client', 'never', undefined, 403, DENIED, NO_ERROR, 'keep', 'info', 'a policy denies the request'),
  'rate-limited': row('local', 'before-send', 'client', 'never', undefined, 429, UNAVAILABLE, NO_ERROR, 'keep', 'info', 'a rate limit is used up'),
  'no-endpoint': row('local', 'before-send', 'mesh', 'if-unsent', undefined, 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'warn', 'the backend has no endpoint'),
  'circuit-open': row('local', 'before-send', 'mesh', 'never', undefined, 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'warn', 'the circuit breaker of the service is open'),
  'request-limit': row('local', 'before-send', 'mesh', 'never', undefined, 503, EXHAUSTED, REFUSED_STREAM, 'keep', 'warn', 'the limit on concurrent requests is reached'),
  'connection-limit': row('local', 'before-send', 'mesh', 'never', undefined, 503, EXHAUSTED, REFUSED_STREAM, 'close', 'warn', 'the limit on downstream connections is reached'),
  'pending-limit': row('local', 'before-send', 'mesh', 'if-unsent', 'NeverSent', 503, EXHAUSTED, REFUSED_STREAM, 'keep', 'warn', 'the limit on requests waiting for a connection is reached'),
  'request-timeout': row('local', 'after-send', 'server', 'never', undefined, 504, DEADLINE, CANCEL, 'keep', 'warn', 'the whole request took longer than its timeout'),
  'stream-idle-timeout': row('local', 'after-send', 'server', 'never', undefined, 504, DEADLINE, CANCEL, 'close', 'warn', 'nothing moved in either direction for too long'),
  'connection-lifetime': row('local', 'after-head', 'none', 'never', undefined, 0, OK, NO_ERROR, 'close', 'info', 'the connection was older than maxLifetime and nothing moved on it'),
  'draining': row('local', 'before-send', 'none', 'if-unsent', 'NeverSent', 503, UNAVAILABLE, REFUSED_STREAM, 'close', 'info', 'this proxy is shutting down'),
  'drain-deadline': row('local', 'after-send', 'mesh', 'never', undefined, 503, UNAVAILABLE, CANCEL, 'close', 'warn', 'the drain deadline cut the exchange'),
  'policy-cut': row('local', 'after-send', 'mesh', 'never', undefined, 503, UNAVAILABLE, CANCEL, 'close', 'warn', 'a changed trust bundle or policy no longer admits the connection'),
  'internal-error': row('local', 'after-send', 'mesh', 'never', undefined, 500, INTERNAL, INTERNAL_ERROR, 'close', 'error', 'an invariant of the proxy broke'),

  // What the upstream did. The first group never reached the application.
  'connect-refused': row('upstream', 'before-send', 'server', 'if-unsent', 'NeverSent', 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'warn', 'the endpoint refused the connection'),
  'connect-timeout': row('upstream', 'before-send', 'server', 'if-unsent', 'NeverSent', 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'warn', 'the endpoint did not accept the connection in time'),
  'tls-failed': row('upstream', 'before-send', 'server', 'if-unsent', 'NeverSent', 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'warn', 'the TLS handshake with the endpoint failed'),
  'upstream-identity-refused': row('upstream', 'before-send', 'server', 'if-unsent', 'NeverSent', 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'error', 'the endpoint proved an identity that was not expected'),
  'stream-refused': row('upstream', 'before-send', 'server', 'if-unsent', 'NeverSent', 503, UNAVAILABLE, REFUSED_STREAM, 'keep', 'info', 'the endpoint refused the stream before handling it'),
  'upstream-reset': row('upstream', 'after-send', 'server', 'if-idempotent', 'ResetBeforeHeaders', 502, UNAVAILABLE, CANCEL, 'keep', 'warn', 'the endpoint closed the connection before a response'),
  'try-timeout': row('upstream', 'after-send', 'server', 'if-idempotent', 'PerTryTimeout', 504, DEADLINE, CANCEL, 'keep', 'warn', 'one try took longer than backendRequest'),
  'malformed-response': row('upstream', 'after-send', 'server', 'never', undefined, 502, INTERNAL, PROTOCOL_ERROR, 'keep', 'warn', 'the response is not well-formed HTTP'),
  'protocol-mismatch': row('upstream', 'after-send', 'server', 'never', undefined, 502, UNAVAILABLE, PROTOCOL_ERROR, 'keep', 'warn', 'the endpoint speaks another protocol than was declared for it'),
  'gateway-error': row('upstream', 'after-head', 'server', 'if-idempotent', 'GatewayError', 0, UNAVAILABLE, NO_ERROR, 'keep', 'info', 'the endpoint answered 502, 503 or 504'),
  'upstream-cut': row('upstream', 'after-head', 'server', 'never', undefined, 0, UNAVAILABLE, INTERNAL_ERROR, 'close', 'warn', 'the endpoint closed the connection inside the response'),
  'malformed-response-body': row('upstream', 'after-head', 'server', 'never', undefined, 0, INTERNAL, PROTOCOL_ERROR, 'close', 'warn', 'the response body is not well framed'),
} as const satisfies Record<string, Row>;
/* eslint-enable */

export type TerminationCode = keyof typeof rows;

/** The table by code. Frozen; iterate it to derive documentation and labels. */
export const terminations: Readonly<Record<TerminationCode, Termination>> = compileTable();

/** All codes in table order; the position is a stable index for counters within one build. */
export const terminationCodes: readonly TerminationCode[] = Object.keys(rows) as TerminationCode[];

/** Position of a code in `terminationCodes`. */
export function terminationIndex(code: TerminationCode): number {
  return indexes.get(code)!;
}

const indexes = new Map<TerminationCode, number>(terminationCodes.map((code, index) => [code, index]));

function compileTable(): Record<TerminationCode, Termination> {
  const table: Partial<Record<TerminationCode, Termination>> = {};
  for (const [code, facts] of Object.entries(rows) as [TerminationCode, Row][]) {
    table[code] = Object.freeze({ code, ...facts });
  }
  return Object.freeze(table) as Record<TerminationCode, Termination>;
}
