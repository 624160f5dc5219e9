import type { ConnectionLogFacts } from './access-log-facts.ts';
import { writeJsonText } from './json-text.ts';

/** Of OpenTelemetry's log data model. */
export const severityNumbers: Readonly<Record<string, number>> = { debug: 5, info: 9, warn: 13, error: 17 };

/** What lines of requests and of connections both say, and has no name in the schemas of others. */
export type OwnFacts = Pick<
  ConnectionLogFacts,
  'termination' | 'flags' | 'connectMs' | 'attempts' | 'source' | 'destination' | 'route' | 'rule' | 'configVersion'
>;

/** `flags` is a JSON list. */
export function putOwnFields(line: LineFields, facts: OwnFacts, flags: string): void {
  line.text('weft.termination', facts.termination.code);
  if (facts.flags !== 0) line.raw('weft.flags', flags);
  if (facts.connectMs >= 0) line.number('weft.connect_ms', roundMs(facts.connectMs));
  line.number('weft.attempts', facts.attempts);
  line.text('weft.source', facts.source);
  line.text('weft.destination', facts.destination);
  line.text('weft.route', facts.route);
  line.text('weft.rule', facts.rule);
  line.text('weft.config_version', facts.configVersion);
}

/** Whole microseconds, which is what the clock can tell. */
export function roundMs(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** One JSON object, field by field; text that is empty is left out. */
export class LineFields {
  private line: string;

  constructor() {
    this.line = '';
  }

  text(name: string, value: string): void {
    if (value !== '') this.raw(name, writeJsonText(value));
  }

  number(name: string, value: number): void {
    this.raw(name, String(value));
  }

  /** `json` is JSON. */
  raw(name: string, json: string): void {
    this.line += `${this.line === '' ? '{' : ','}"${name}":${json}`;
  }

  end(): string {
    return `${this.line}}\n`;
  }
}
