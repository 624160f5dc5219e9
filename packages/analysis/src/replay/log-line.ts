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
 * Lines of one chunk are told apart without being parsed: what matters of a line stands in two spans, and lines with equal
 * spans are equal to a replay. Spans are found as `AccessLog` writes them; -1 where a line is not of its making.
 */
export class LineSpans {
  /** From `"direction"` to the end of the path's value, its quote left out. */
  headStart = -1;
  headEnd = -1;
  /** From `,"source"` to the end of `rule`. */
  tailStart = -1;
  tailEnd = -1;

  /** Finds the spans of text[start, end); false when the line must be parsed as a whole. */
  find(text: string, start: number, end: number): boolean {
    const direction = text.indexOf(',"direction":"', start);
    if (direction < 0 || direction > end) return false;
    const path = text.indexOf(',"path":"', direction);
    if (path < 0 || path > end) return false;
    const pathEnd = text.indexOf('"', path + PATH_CHARS);
    // An escape inside the path, or a line that is cut off.
    if (pathEnd < 0 || pathEnd > end || text.charCodeAt(pathEnd - 1) === BACKSLASH) return false;
    const source = text.indexOf(',"source":"', pathEnd);
    if (source < 0 || source > end) return false;
    // Without a rule the ending of the request says more.
    const rule = text.indexOf(',"rule":"', source);
    if (rule < 0 || rule > end) return false;
    const ruleEnd = text.indexOf('"', rule + RULE_CHARS);
    if (ruleEnd < 0 || ruleEnd > end || text.charCodeAt(ruleEnd - 1) === BACKSLASH) return false;
    this.headStart = direction + 1;
    this.headEnd = pathEnd;
    this.tailStart = source;
    this.tailEnd = ruleEnd;
    return true;
  }
}

const BACKSLASH = 0x5c;
const PATH_CHARS = ',"path":"'.length;
const RULE_CHARS = ',"rule":"'.length;

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
