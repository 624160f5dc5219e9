import { Buffer } from 'node:buffer';
import { spanHash } from './span-cache.ts';

/** What a replay reads of a line of the access log. Absent text is ''. */
export interface LoggedRequest {
  readonly direction: string;
  readonly protocol: string;
  readonly method: string;
  readonly authority: string;
  /** With the query as it was logged. */
  readonly path: string;
  readonly source: string;
  readonly destination: string;
  readonly route: string;
  readonly rule: string;
  readonly termination: string;
}

/**
 * Lines are told apart without being parsed: what matters of a line is its path and two spans, one before it and one near the
 * end of the line, which many lines share. They are found as `AccessLog` writes them, in bytes and by hand: texts cost four
 * times as much to walk, and searches through the runtime more than that.
 */
export class LineSpans {
  /** From `"direction"` to the begin of the path's value. */
  headStart = 0;
  headHash = 0;
  /** The target without its quotes; of ASCII alone, and nothing in it is escaped. */
  pathStart = 0;
  /** Where its query begins with the `?`; `targetEnd` when it has none. */
  pathEnd = 0;
  targetEnd = 0;
  /** From `"source"` to the end of the value of `rule`, its quote left out. */
  tailStart = 0;
  tailEnd = 0;
  tailHash = 0;

  /** Finds the first span and the path of a line; false when the line must be parsed as a whole. */
  findHead(bytes: Uint8Array, words: DataView, start: number, end: number): boolean {
    if (!this.#seekHead(bytes, start, end)) return false;
    this.headHash = spanHash(words, this.headStart, this.pathStart);
    return true;
  }

  /** Finds the other span of the same line; false as above. */
  findTail(bytes: Uint8Array, words: DataView, end: number): boolean {
    if (!this.#seekTail(bytes, end)) return false;
    this.tailHash = spanHash(words, this.tailStart, this.tailEnd);
    return true;
  }

  #seekHead(bytes: Uint8Array, start: number, end: number): boolean {
    // Whatever is looked at beyond a position that is checked stays inside the line, which ends in two known bytes.
    if (end - start < SHORTEST_LINE || bytes[end - 1] !== BRACE || bytes[end - 2] !== QUOTE) return false;
    let pos = start + LEVEL_AT;
    if (bytes[pos - 1] !== QUOTE) return false;
    while (bytes[pos] !== QUOTE) pos += 1;
    pos += 2;
    this.headStart = pos;
    // "path":" is the key, wherever it stands with nothing escaped before it.
    for (; ; pos += 1) {
      // The last quote of its value stands at end - 2 at the latest: without it the walk would not end with the line.
      if (pos + 10 > end) return false;
      const code = bytes[pos]!;
      if (code === BACKSLASH) return false;
      if (code !== QUOTE) continue;
      if (bytes[pos + 1] !== SMALL_P || bytes[pos + 2] !== SMALL_A || bytes[pos + 3] !== SMALL_T) continue;
      if (bytes[pos + 4] === SMALL_H && bytes[pos + 5] === QUOTE && bytes[pos + 6] === COLON) break;
    }
    pos += 7;
    if (bytes[pos] !== QUOTE) return false;
    pos += 1;
    this.pathStart = pos;
    let seen = 0;
    let query = -1;
    for (let code = bytes[pos]!; code !== QUOTE; code = bytes[(pos += 1)]!) {
      if (code === BACKSLASH) return false;
      if (code === MARK && query < 0) query = pos;
      seen |= code;
    }
    if (seen >= 0x80 || pos >= end - 2) return false;
    this.pathEnd = query < 0 ? pos : query;
    this.targetEnd = pos;
    return true;
  }

  /** Backwards from the end: the fields there are texts, the middle of the line is numbers and ids. */
  #seekTail(bytes: Uint8Array, end: number): boolean {
    const limit = this.targetEnd + 4;
    this.tailEnd = -1;
    let close = end - 2;
    for (let field = 0; field < TAIL_FIELDS; field += 1) {
      let open = close - 1;
      // A quote inside a value is escaped, so none there has a colon before it.
      while (open > limit && (bytes[open] !== QUOTE || bytes[open - 1] !== COLON)) open -= 1;
      let name = open - 3;
      while (name > limit && bytes[name] !== QUOTE) name -= 1;
      if (name <= limit) return false;
      const length = open - name - 3;
      if (length === RULE.length && isName(bytes, name, RULE)) this.tailEnd = close;
      else if (length === SOURCE.length && isName(bytes, name, SOURCE)) {
        this.tailStart = name;
        // Without a rule the ending of the request says more.
        return this.tailEnd >= 0;
      }
      close = name - 2;
    }
    return false;
  }
}

const QUOTE = 0x22;
const COLON = 0x3a;
const MARK = 0x3f;
const BACKSLASH = 0x5c;
const SMALL_A = 0x61;
const SMALL_H = 0x68;
const SMALL_P = 0x70;
const SMALL_T = 0x74;
const BRACE = 0x7d;
/** `{"time":"2026-11-22T22:00:00.000Z","level":"` */
const LEVEL_AT = 44;
const SHORTEST_LINE = 100;
const TAIL_FIELDS = 6;
const RULE = Buffer.from('rule');
const SOURCE = Buffer.from('source');

function isName(bytes: Uint8Array, quote: number, name: Uint8Array): boolean {
  for (let index = 0; index < name.length; index += 1) if (bytes[quote + 1 + index] !== name[index]) return false;
  return true;
}

/** Reads a whole line, or a part of it made an object again; undefined when it is no line of a log. */
export function readLine(json: string): LoggedRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const fields = value as Readonly<Record<string, unknown>>;
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : '');
  const line: LoggedRequest = {
    direction: text('direction'),
    protocol: text('protocol'),
    method: text('method'),
    authority: text('authority'),
    path: text('path'),
    source: text('source'),
    destination: text('destination'),
    route: text('route'),
    rule: text('rule'),
    termination: text('termination'),
  };
  return line.direction === '' || line.protocol === '' ? undefined : line;
}
