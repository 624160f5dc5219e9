import type { Termination } from '@weft/outcome';
import type { AccessLogFacts, ConnectionLogFacts } from './access-log-facts.ts';
import { type AccessLogFormat, type LineParts, writeEcs, writeOtel } from './access-log-format.ts';
import { writeConnectionEcs, writeConnectionOtel } from './connection-log-format.ts';
import { writeJsonText } from './json-text.ts';
import { isFailure } from './request-failure.ts';

/** When a request gets a line: the words of `TelemetryPolicy.accessLog.when`. */
export type AccessLogWhen = 'Never' | 'Errors' | 'Always';

/** Bits of `AccessLogFacts.flags`, in the order in which they are written. */
export const accessFlags = {
  mtls: 1,
  'fresh-connection': 2,
  retried: 4,
  'retry-budget-exhausted': 8,
  panic: 16,
  upgraded: 32,
  mirrored: 64,
  'body-not-replayable': 128,
} as const;

export interface AccessLogOptions {
  /** Names of the fields; `Json` unless said. */
  readonly format?: AccessLogFormat;
  /** `Redact` unless said: queries carry tokens and names of people. */
  readonly query?: 'Redact' | 'Keep';
}

/** Paths and authorities are written up to this length: a line is bounded whatever a caller sends. */
const MAX_TEXT_CHARS = 1_024;

/**
 * Whether a request gets a line. An error is a failure as the metrics count it, or an ending that a caller is at fault for;
 * an application's own 404 or NOT_FOUND is an answer.
 */
export function isLogged(when: AccessLogWhen, status: number, grpcStatus: number, termination: Termination): boolean {
  if (when !== 'Errors') return when === 'Always';
  return termination.fault !== 'none' || isFailure(status, grpcStatus, termination);
}

/** A power of two; some dozens of pairs of route and endpoint are in use at a time. */
const TAIL_SLOTS = 256;

interface Tail {
  readonly source: string;
  readonly destination: string;
  readonly route: string;
  readonly rule: string;
  readonly upstreamAddress: string;
  readonly configVersion: string;
  readonly text: string;
}

/** Writes lines of one process: JSON, one object a line, names fixed, ending in a line feed. */
export class AccessLog {
  private readonly keepsQuery: boolean;
  private readonly format: AccessLogFormat;
  // Lines of one second share the text of the second.
  private second: number;
  private secondText: string;
  private readonly tails: (Tail | undefined)[];

  constructor(options: AccessLogOptions = {}) {
    this.keepsQuery = options.query === 'Keep';
    this.format = options.format ?? 'Json';
    this.second = Number.NaN;
    this.secondText = '';
    this.tails = Array.from({ length: TAIL_SLOTS }, () => undefined);
  }

  /** One line. The text is the caller's. */
  write(facts: AccessLogFacts): string {
    if (this.format !== 'Json') return (this.format === 'Ecs' ? writeEcs : writeOtel)(this.parts(facts));
    const { termination } = facts;
    const path = cut(this.keepsQuery ? facts.target : redactQuery(facts.target));
    let line = `{"time":"${this.writeTime(facts.startWallMs)}","level":"${termination.log}","direction":"${facts.direction}","protocol":"${facts.protocol === 'http2' ? 'http/2' : 'http/1.1'}","method":${writeJsonText(facts.method)}`;
    if (facts.authority !== '') line += `,"authority":${writeJsonText(cut(facts.authority))}`;
    line += `,"path":${writeJsonText(path)}`;
    if (facts.status > 0) line += `,"status":${facts.status}`;
    if (facts.grpcStatus >= 0) line += `,"grpcStatus":${facts.grpcStatus}`;
    line += `,"termination":"${termination.code}"`;
    if (facts.flags !== 0) line += `,"flags":${writeFlags(facts.flags)}`;
    line += `,"durationMs":${writeDurationMs(facts.durationMs)}`;
    if (facts.upstreamMs >= 0) line += `,"upstreamMs":${writeDurationMs(facts.upstreamMs)}`;
    if (facts.connectMs >= 0) line += `,"connectMs":${writeDurationMs(facts.connectMs)}`;
    line += `,"attempts":${facts.attempts},"requestBytes":${facts.requestBytes},"responseBytes":${facts.responseBytes}`;
    if (facts.downstreamAddress !== '') line += `,"downstreamAddress":${writeJsonText(facts.downstreamAddress)}`;
    if (facts.requestId !== '') line += `,"requestId":${writeJsonText(facts.requestId)}`;
    if (facts.traceId !== '') line += `,"traceId":${writeJsonText(facts.traceId)}`;
    return line + this.writeTail(facts);
  }

  /** One line of a TCP connection that has ended. */
  writeConnection(facts: ConnectionLogFacts): string {
    if (this.format !== 'Json') {
      const write = this.format === 'Ecs' ? writeConnectionEcs : writeConnectionOtel;
      return write({
        facts,
        time: this.writeTime(facts.startWallMs),
        serverName: cut(facts.serverName),
        detail: cut(facts.detail),
        durationMs: writeDurationMs(facts.durationMs),
        flags: writeFlags(facts.flags),
      });
    }
    const { termination } = facts;
    let line = `{"time":"${this.writeTime(facts.startWallMs)}","level":"${termination.log}","direction":"${facts.direction}","protocol":"tcp"`;
    line += textField(',"serverName":', cut(facts.serverName));
    line += `,"termination":"${termination.code}"${textField(',"detail":', cut(facts.detail))}`;
    if (facts.flags !== 0) line += `,"flags":${writeFlags(facts.flags)}`;
    line += `,"durationMs":${writeDurationMs(facts.durationMs)}`;
    if (facts.connectMs >= 0) line += `,"connectMs":${writeDurationMs(facts.connectMs)}`;
    line += `,"attempts":${facts.attempts},"receivedBytes":${facts.receivedBytes},"sentBytes":${facts.sentBytes}`;
    line += textField(',"downstreamAddress":', facts.downstreamAddress);
    return line + this.writeTail(facts);
  }

  private parts(facts: AccessLogFacts): LineParts {
    const { target } = facts;
    const mark = target.indexOf('?');
    const query = mark < 0 || mark === target.length - 1 ? '' : this.keepsQuery ? target.slice(mark + 1) : 'redacted';
    return {
      facts,
      time: this.writeTime(facts.startWallMs),
      path: cut(mark < 0 ? target : target.slice(0, mark)),
      query: cut(query),
      authority: cut(facts.authority),
      durationMs: writeDurationMs(facts.durationMs),
      flags: writeFlags(facts.flags),
    };
  }

  /** What configuration and peers say, which few requests say anew: written once and found again. */
  private writeTail(facts: Omit<Tail, 'text'>): string {
    const slot =
      (lastCode(facts.source) * 3 +
        lastCode(facts.destination) * 5 +
        lastCode(facts.route) * 7 +
        lastCode(facts.rule) * 11 +
        lastCode(facts.upstreamAddress) * 13) &
      (TAIL_SLOTS - 1);
    const known = this.tails[slot];
    if (
      known !== undefined &&
      known.source === facts.source &&
      known.destination === facts.destination &&
      known.route === facts.route &&
      known.rule === facts.rule &&
      known.upstreamAddress === facts.upstreamAddress &&
      known.configVersion === facts.configVersion
    ) {
      return known.text;
    }
    const { source, destination, route, rule, upstreamAddress, configVersion } = facts;
    const text = `${textField(',"source":', source)}${textField(',"destination":', destination)}${textField(
      ',"route":',
      route,
    )}${textField(',"rule":', rule)}${textField(',"upstreamAddress":', upstreamAddress)}${textField(
      ',"configVersion":',
      configVersion,
    )}}\n`;
    this.tails[slot] = { source, destination, route, rule, upstreamAddress, configVersion, text };
    return text;
  }

  private writeTime(wallMs: number): string {
    const wholeMs = Math.floor(wallMs);
    const second = Math.floor(wholeMs / 1000);
    if (second !== this.second) {
      this.second = second;
      this.secondText = new Date(second * 1000).toISOString().slice(0, 20);
    }
    const ms = wholeMs - second * 1000;
    return `${this.secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`;
  }
}

/** The target without what its query says. */
export function redactQuery(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 || mark === target.length - 1 ? target : `${target.slice(0, mark)}?redacted`;
}

function cut(text: string): string {
  return text.length > MAX_TEXT_CHARS ? `${text.slice(0, MAX_TEXT_CHARS)}...` : text;
}

function textField(name: string, value: string): string {
  return value === '' ? '' : name + writeJsonText(value);
}

/** Three digits after the point, microseconds, are what the clock can tell; JSON knows no NaN and no infinity. */
function writeDurationMs(valueMs: number): number {
  return valueMs >= 0 && valueMs < Infinity ? Math.round(valueMs * 1000) / 1000 : 0;
}

function lastCode(text: string): number {
  return text === '' ? 0 : text.charCodeAt(text.length - 1);
}

const flagTexts = new Map<number, string>();
const ALL_FLAGS = Object.values(accessFlags).reduce((all, bit) => all | bit, 0);

// At most 256 combinations exist, so each is built once.
function writeFlags(flags: number): string {
  const known = flags & ALL_FLAGS;
  let text = flagTexts.get(known);
  if (text === undefined) {
    text = JSON.stringify(
      Object.entries(accessFlags)
        .filter(([, bit]) => (known & bit) !== 0)
        .map(([name]) => name),
    );
    flagTexts.set(known, text);
  }
  return text;
}
