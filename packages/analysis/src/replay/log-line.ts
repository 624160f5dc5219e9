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
 * Lines are told apart without being parsed: what matters of a line stands in two spans, one near its begin and one near its
 * end, and lines with equal spans are equal to a replay. Spans are found as `AccessLog` writes them. Characters are walked by
 * hand: five searches a line through the runtime cost more than all the rest.
 */
export class LineSpans {
  /** From `"direction"` to the end of the path's value, its quote left out. */
  headStart = -1;
  headEnd = -1;
  methodStart = -1;
  methodEnd = -1;
  authorityStart = -1;
  authorityEnd = -1;
  pathStart = -1;
  outbound = false;
  tcp = false;
  /** From `"source"` to the end of the value of `rule`, its quote left out. */
  tailStart = -1;
  tailEnd = -1;

  /** Finds the spans of text[start, end); false when the line must be parsed as a whole. */
  find(text: string, start: number, end: number): boolean {
    return this.#findHead(text, start, end) && this.#findTail(text, end);
  }

  #findHead(text: string, start: number, end: number): boolean {
    if (end - start < LEVEL_AT || text.charCodeAt(start + LEVEL_AT - 1) !== QUOTE) return false;
    let pos = start + LEVEL_AT;
    while (pos < end && text.charCodeAt(pos) !== QUOTE) pos += 1;
    if (!text.startsWith(DIRECTION, pos + 2)) return false;
    this.headStart = pos + 2;
    this.methodStart = this.methodEnd = this.authorityStart = this.authorityEnd = pos;
    // Direction, protocol, method, authority, path: all of them texts.
    for (let field = 0; field < HEAD_FIELDS; field += 1) {
      const name = pos + 3;
      let colon = name;
      while (colon < end && text.charCodeAt(colon) !== COLON) colon += 1;
      const value = colon + 2;
      let close = value;
      for (let code = text.charCodeAt(close); code !== QUOTE; code = text.charCodeAt(close)) {
        // An escape, or a line that is cut off.
        if (close >= end || code === BACKSLASH) return false;
        close += 1;
      }
      if (text.startsWith('path"', name)) {
        this.pathStart = value;
        this.headEnd = close;
        return true;
      }
      if (text.startsWith('method"', name)) {
        this.methodStart = value;
        this.methodEnd = close;
      } else if (text.startsWith('authority"', name)) {
        this.authorityStart = value;
        this.authorityEnd = close;
      } else if (text.startsWith('direction"', name)) this.outbound = text.startsWith('outbound"', value);
      else if (text.startsWith('protocol"', name)) this.tcp = text.startsWith('tcp"', value);
      else return false;
      pos = close;
    }
    return false;
  }

  /** Backwards from the end: the fields there are texts, the middle of the line is numbers and ids. */
  #findTail(text: string, end: number): boolean {
    this.tailEnd = -1;
    let close = end - 2;
    if (text.charCodeAt(end - 1) !== BRACE || text.charCodeAt(close) !== QUOTE) return false;
    for (let field = 0; field < TAIL_FIELDS; field += 1) {
      let open = close - 1;
      // A quote inside a value is escaped, so none there has a colon before it.
      while (open > this.headEnd && !(text.charCodeAt(open) === QUOTE && text.charCodeAt(open - 1) === COLON))
        open -= 1;
      let name = open - 3;
      while (name > this.headEnd && text.charCodeAt(name) !== QUOTE) name -= 1;
      if (name <= this.headEnd) return false;
      if (text.startsWith(RULE, name)) this.tailEnd = close;
      else if (text.startsWith(SOURCE, name)) {
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
const BACKSLASH = 0x5c;
const BRACE = 0x7d;
/** `{"time":"2026-11-22T22:00:00.000Z","level":"` */
const LEVEL_AT = 44;
const DIRECTION = '"direction":';
const RULE = '"rule":';
const SOURCE = '"source":';
const HEAD_FIELDS = 5;
const TAIL_FIELDS = 6;

/** Reads a whole line, or two spans joined as an object; undefined when it is no line of a log. */
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
