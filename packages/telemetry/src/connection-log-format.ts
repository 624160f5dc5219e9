import type { ConnectionLogFacts } from './access-log-facts.ts';
import { LineFields, putOwnFields, severityNumbers } from './line-fields.ts';
import { isFailure } from './request-failure.ts';

/** What the line of a connection is made of, once it is cut. */
export interface ConnectionLineParts {
  readonly facts: ConnectionLogFacts;
  /** RFC 3339. */
  readonly time: string;
  readonly serverName: string;
  readonly detail: string;
  readonly durationMs: number;
  /** A JSON list. */
  readonly flags: string;
}

/** Elastic Common Schema 8: the caller is its source, and the bytes of each side are those that it sent. */
export function writeConnectionEcs({
  facts,
  time,
  serverName,
  detail,
  durationMs,
  flags,
}: ConnectionLineParts): string {
  const line = new LineFields();
  line.text('@timestamp', time);
  line.raw('ecs.version', '"8.11"');
  line.text('log.level', facts.termination.log);
  line.raw('event.dataset', '"weft.access"');
  line.raw('event.kind', '"event"');
  line.raw('event.outcome', isFailure(0, -1, facts.termination) ? '"failure"' : '"success"');
  line.number('event.duration', Math.round(durationMs * 1_000_000));
  line.raw('network.transport', '"tcp"');
  line.text('network.direction', facts.direction);
  line.text('tls.client.server_name', serverName);
  line.number('source.bytes', facts.receivedBytes);
  line.number('destination.bytes', facts.sentBytes);
  line.text('client.address', facts.downstreamAddress);
  line.text('server.address', facts.upstreamAddress);
  line.text('weft.detail', detail);
  putOwnFields(line, facts, flags);
  return line.end();
}

/** OpenTelemetry's log data model. */
export function writeConnectionOtel({
  facts,
  time,
  serverName,
  detail,
  durationMs,
  flags,
}: ConnectionLineParts): string {
  const attributes = new LineFields();
  attributes.raw('network.transport', '"tcp"');
  attributes.text('tls.client.server_name', serverName);
  attributes.text('client.address', facts.downstreamAddress);
  attributes.text('network.peer.address', facts.upstreamAddress);
  attributes.text('weft.direction', facts.direction);
  attributes.number('weft.received_bytes', facts.receivedBytes);
  attributes.number('weft.sent_bytes', facts.sentBytes);
  attributes.number('weft.duration', durationMs);
  attributes.text('weft.detail', detail);
  putOwnFields(attributes, facts, flags);
  const line = new LineFields();
  line.text('Timestamp', time);
  line.text('SeverityText', facts.termination.log.toUpperCase());
  line.number('SeverityNumber', severityNumbers[facts.termination.log] ?? 9);
  line.text('Body', `TCP ${facts.destination === '' ? 'connection' : facts.destination} ${facts.termination.code}`);
  line.raw('Attributes', attributes.end().trimEnd());
  return line.end();
}
