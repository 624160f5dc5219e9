import type { Logger } from 'pino';

export type LogFields = Readonly<Record<string, string | number | boolean>>;

type Level = 'debug' | 'info' | 'warn' | 'error';

interface Line {
  readonly level: Level;
  readonly atMs: number;
  readonly message: string;
  readonly fields: LogFields;
}

const levels: readonly string[] = ['debug', 'info', 'warn', 'error'];

/** Far more than a start says; what is said beyond it is lost and counted. */
const MOST_LINES = 1000;

/**
 * JSON lines on standard error, written by pino, which is loaded after the start: a sidecar is up 20 ms earlier. Lines said
 * before are kept with their time and written first. Whoever ends the process calls `open` before.
 */
export class DeferredLog {
  private readonly fields: LogFields;
  private readonly plain: boolean;
  private level: string;
  private logger: Logger | null;
  private opening: Promise<void> | null;
  private lines: Line[];
  private lost: number;

  /** `fields` stand on every JSON line; `plain` writes lines for a person instead, at once. */
  constructor(level: string, fields: LogFields, plain = false) {
    this.fields = fields;
    this.plain = plain;
    this.level = level;
    this.logger = null;
    this.opening = null;
    this.lines = [];
    this.lost = 0;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.write('debug', message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.write('info', message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.write('warn', message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.write('error', message, fields);
  }

  /** False when the word is no level. */
  setLevel(level: string): boolean {
    if (!levels.includes(level)) return false;
    this.level = level;
    if (this.logger !== null) this.logger.level = level;
    return true;
  }

  /** Loads the writer and writes what waits. */
  open(): Promise<void> {
    this.opening ??= this.load();
    return this.opening;
  }

  private async load(): Promise<void> {
    if (this.plain) return;
    const { destination, pino } = await import('pino');
    this.logger = pino(
      {
        level: this.level,
        base: { ...this.fields, pid: process.pid },
        timestamp: false,
        messageKey: 'message',
        formatters: { level: (label) => ({ level: label }) },
      },
      // Synchronous, so that the last line before an end is never the missing one.
      destination({ fd: 2, sync: true }),
    );
    const { lines, lost } = this;
    this.lines = [];
    for (const line of lines) this.hand(line);
    if (lost > 0) this.warn('log lines of the start were lost', { lines: lost });
  }

  private write(level: Level, message: string, fields: LogFields): void {
    const line = { level, atMs: Date.now(), message, fields };
    if (this.plain) this.say(line);
    else if (this.logger !== null) this.hand(line);
    else if (this.lines.length < MOST_LINES) this.lines.push(line);
    else this.lost += 1;
  }

  private say({ level, atMs, message, fields }: Line): void {
    if (levels.indexOf(level) < levels.indexOf(this.level)) return;
    const time = new Date(atMs).toTimeString().slice(0, 8);
    const facts = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
    process.stderr.write(`${time} ${level.padEnd(5)} ${message}${facts.join('')}\n`);
  }

  private hand({ level, atMs, message, fields }: Line): void {
    this.logger?.[level]({ time: new Date(atMs).toISOString(), ...fields }, message);
  }
}
