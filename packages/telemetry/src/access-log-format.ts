import type { AccessLogFacts } from './access-log-facts.ts';
import { LineFields, putOwnFields, roundMs, severityNumbers } from './line-fields.ts';
import { isFailure } from './request-failure.ts';

/** Names of the fields of a line: ours, the Elastic Common Schema's, or OpenTelemetry's. */
export type AccessLogFormat = 'Json' | 'Ecs' | 'Otel';

const BODY_PATH_CHARS = 200;

/** What a line is made of, once it is redacted and cut. */
export interface LineParts {
  readonly facts: AccessLogFacts;
  /** RFC 3339. */
  readonly time: string;
  /** Without what the query says, unless that is kept. */
  readonly path: string;
  readonly query: string;
  readonly authority: string;
  readonly durationMs: number;
  /** A JSON list. */
  readonly flags: string;
}

/** Elastic Common Schema 8: dotted names are the same as nested ones there. What it has no name for stands under `weft.`. */
export function writeEcs(parts: LineParts): string {
  const { facts, durationMs } = parts;
  const line = new LineFields();
  line.text('@timestamp', parts.time);
  line.raw('ecs.version', '"8.11"');
  line.text('log.level', facts.termination.log);
  line.raw('event.dataset', '"weft.access"');
  line.raw('event.kind', '"event"');
  line.raw('event.outcome', isFailure(facts.status, facts.grpcStatus, facts.termination) ? '"failure"' : '"success"');
  line.number('event.duration', Math.round(durationMs * 1_000_000));
  line.raw('network.protocol', '"http"');
  line.text('network.direction', facts.direction);
  line.raw('http.version', facts.protocol === 'http2' ? '"2"' : '"1.1"');
  line.text('http.request.method', facts.method);
  line.text('http.request.id', facts.requestId);
  line.number('http.request.bytes', facts.requestBytes);
  line.number('http.response.bytes', facts.responseBytes);
  if (facts.status > 0) line.number('http.response.status_code', facts.status);
  line.text('url.domain', parts.authority);
  line.text('url.path', parts.path);
  line.text('url.query', parts.query);
  line.text('trace.id', facts.traceId);
  line.text('client.address', facts.downstreamAddress);
  line.text('server.address', facts.upstreamAddress);
  ownFields(line, parts);
  return line.end();
}

/** OpenTelemetry's log data model; attributes have the names of its semantic conventions. */
export function writeOtel(parts: LineParts): string {
  const { facts } = parts;
  const attributes = new LineFields();
  attributes.text('http.request.method', facts.method);
  if (facts.status > 0) attributes.number('http.response.status_code', facts.status);
  attributes.number('http.request.body.size', facts.requestBytes);
  attributes.number('http.response.body.size', facts.responseBytes);
  attributes.raw('network.protocol.name', '"http"');
  attributes.raw('network.protocol.version', facts.protocol === 'http2' ? '"2"' : '"1.1"');
  attributes.text('server.address', parts.authority);
  attributes.text('url.path', parts.path);
  attributes.text('url.query', parts.query);
  attributes.text('client.address', facts.downstreamAddress);
  attributes.text('network.peer.address', facts.upstreamAddress);
  attributes.text('weft.request_id', facts.requestId);
  attributes.text('weft.direction', facts.direction);
  attributes.number('weft.duration', parts.durationMs);
  ownFields(attributes, parts);
  const line = new LineFields();
  line.text('Timestamp', parts.time);
  line.text('SeverityText', facts.termination.log.toUpperCase());
  line.number('SeverityNumber', severityNumbers[facts.termination.log] ?? 9);
  line.text('TraceId', facts.traceId);
  // The whole of it is an attribute: a line stays below what runtimes of containers take in one piece.
  const path = parts.path.length > BODY_PATH_CHARS ? `${parts.path.slice(0, BODY_PATH_CHARS)}...` : parts.path;
  line.text('Body', `${facts.method} ${path} ${facts.status > 0 ? facts.status : facts.termination.code}`);
  line.raw('Attributes', attributes.end().trimEnd());
  return line.end();
}

function ownFields(line: LineFields, { facts, flags }: LineParts): void {
  putOwnFields(line, facts, flags);
  if (facts.grpcStatus >= 0) line.number('rpc.grpc.status_code', facts.grpcStatus);
  if (facts.upstreamMs >= 0) line.number('weft.upstream_ms', roundMs(facts.upstreamMs));
}
