import { type Result, fail, ok } from '@weft/kernel';

/** What a filter may ask about a request. Absent text is '', an absent number -1 or 0 as in the line. */
export interface LogFilterFacts {
  readonly direction: string;
  readonly protocol: string;
  readonly source: string;
  readonly destination: string;
  readonly method: string;
  readonly authority: string;
  /** Path with query; `path` of a filter ends before the query. */
  readonly target: string;
  readonly status: number;
  readonly grpcStatus: number;
  readonly termination: { readonly code: string };
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationMs: number;
  readonly attempts: number;
  readonly upstreamAddress: string;
  readonly downstreamAddress: string;
  readonly route: string;
  readonly rule: string;
}

/** Whether a request gets a line. Costs a walk of the expression, which is bounded. */
export type LogFilter = (facts: LogFilterFacts) => boolean;

const MAX_CHARS = 1_024;
const MAX_DEPTH = 16;

/**
 * Reads an expression such as `status >= 500 || duration > 250ms && !(path startsWith "/health")`.
 * ```
 * or   = and {"||" and}        and = not {"&&" not}        not = ["!"] ("(" or ")" | comparison)
 * comparison = field ("==" | "!=" | "<" | "<=" | ">" | ">=" | "startsWith" | "endsWith" | "contains") value
 * value      = "text" | number | duration (1.5s, 250ms)
 * ```
 * The error says what was expected and where.
 */
export function readLogFilter(text: string): Result<LogFilter, string> {
  if (text.length > MAX_CHARS) return fail(`at most ${MAX_CHARS} characters`);
  try {
    return ok(new Parser(text).read());
  } catch (error) {
    if (error instanceof FilterFault) return fail(error.message);
    throw error;
  }
}

/** Unwinds to `readLogFilter`, the only catcher. */
class FilterFault extends Error {}

const numbers: Readonly<Record<string, (facts: LogFilterFacts) => number>> = {
  status: (facts) => facts.status,
  grpcStatus: (facts) => facts.grpcStatus,
  duration: (facts) => facts.durationMs,
  attempts: (facts) => facts.attempts,
  requestBytes: (facts) => facts.requestBytes,
  responseBytes: (facts) => facts.responseBytes,
};

const texts: Readonly<Record<string, (facts: LogFilterFacts) => string>> = {
  direction: (facts) => facts.direction,
  protocol: (facts) => facts.protocol,
  source: (facts) => facts.source,
  destination: (facts) => facts.destination,
  method: (facts) => facts.method,
  authority: (facts) => facts.authority,
  path: (facts) => facts.target.split('?', 1)[0]!,
  termination: (facts) => facts.termination.code,
  route: (facts) => facts.route,
  rule: (facts) => facts.rule,
  upstream: (facts) => facts.upstreamAddress,
  downstream: (facts) => facts.downstreamAddress,
};

const fieldNames = [...Object.keys(numbers), ...Object.keys(texts)].join(', ');

const numberTests: Readonly<Record<string, (left: number, right: number) => boolean>> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
};

const textTests: Readonly<Record<string, (left: string, right: string) => boolean>> = {
  '==': (left, right) => left === right,
  '!=': (left, right) => left !== right,
  startsWith: (left, right) => left.startsWith(right),
  endsWith: (left, right) => left.endsWith(right),
  contains: (left, right) => left.includes(right),
};

const TOKEN = /\s*(?:(\|\||&&|[()]|==|!=|<=|>=|<|>|!)|"((?:[^"\\]|\\["\\])*)"|(\d+(?:\.\d+)?)(ms|s)?|([A-Za-z]+))/y;

interface Token {
  readonly kind: 'sign' | 'text' | 'number' | 'word' | 'end';
  readonly text: string;
  readonly value: number;
  readonly isDuration: boolean;
  readonly at: number;
}

class Parser {
  private readonly text: string;
  private at: number;
  private token: Token;

  constructor(text: string) {
    this.text = text;
    this.at = 0;
    this.token = this.next();
  }

  read(): LogFilter {
    const filter = this.or(0);
    if (this.token.kind !== 'end') this.refuse('&&, || or the end');
    return filter;
  }

  private or(depth: number): LogFilter {
    const parts = [this.and(depth)];
    while (this.take('||')) parts.push(this.and(depth));
    return parts.length === 1 ? parts[0]! : (facts) => parts.some((part) => part(facts));
  }

  private and(depth: number): LogFilter {
    const parts = [this.not(depth)];
    while (this.take('&&')) parts.push(this.not(depth));
    return parts.length === 1 ? parts[0]! : (facts) => parts.every((part) => part(facts));
  }

  private not(depth: number): LogFilter {
    if (depth > MAX_DEPTH) throw new FilterFault(`at most ${MAX_DEPTH} parentheses and negations within each other`);
    if (this.take('!')) {
      const inner = this.not(depth + 1);
      return (facts) => !inner(facts);
    }
    if (!this.take('(')) return this.comparison();
    const inner = this.or(depth + 1);
    if (!this.take(')')) this.refuse(')');
    return inner;
  }

  private comparison(): LogFilter {
    const name = this.token.kind === 'word' ? this.token.text : '';
    const number = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
    const text = Object.hasOwn(texts, name) ? texts[name] : undefined;
    if (number === undefined && text === undefined) this.refuse(`one of ${fieldNames}`);
    this.token = this.next();
    return number === undefined ? this.compareText(text!) : this.compareNumber(name, number);
  }

  private compareNumber(name: string, read: (facts: LogFilterFacts) => number): LogFilter {
    const test = this.operator(numberTests);
    const { kind, value, isDuration } = this.token;
    if (kind !== 'number' || isDuration !== (name === 'duration')) {
      this.refuse(name === 'duration' ? 'a duration, such as 250ms' : 'a number');
    }
    this.token = this.next();
    return (facts) => test(read(facts), value);
  }

  private compareText(read: (facts: LogFilterFacts) => string): LogFilter {
    const test = this.operator(textTests);
    const { kind, text } = this.token;
    if (kind !== 'text') this.refuse('a text in double quotes');
    this.token = this.next();
    return (facts) => test(read(facts), text);
  }

  private operator<T>(table: Readonly<Record<string, T>>): T {
    const { text, kind } = this.token;
    if ((kind !== 'sign' && kind !== 'word') || !Object.hasOwn(table, text)) {
      this.refuse(`one of ${Object.keys(table).join(' ')}`);
    }
    this.token = this.next();
    return table[text]!;
  }

  private take(sign: string): boolean {
    if (this.token.kind !== 'sign' || this.token.text !== sign) return false;
    this.token = this.next();
    return true;
  }

  private next(): Token {
    const at = this.at;
    if (this.text.slice(at).trim() === '') return { kind: 'end', text: '', value: 0, isDuration: false, at };
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(this.text);
    if (found === null) throw new FilterFault(`not understood at character ${at + 1}`);
    this.at = TOKEN.lastIndex;
    const [, sign, quoted, number, unit, word] = found;
    if (sign !== undefined) return { kind: 'sign', text: sign, value: 0, isDuration: false, at };
    if (quoted !== undefined) {
      return { kind: 'text', text: quoted.replaceAll(/\\(["\\])/g, '$1'), value: 0, isDuration: false, at };
    }
    if (number !== undefined) {
      const value = Number(number) * (unit === 's' ? 1_000 : 1);
      return { kind: 'number', text: number, value, isDuration: unit !== undefined, at };
    }
    return { kind: 'word', text: word!, value: 0, isDuration: false, at };
  }

  private refuse(expected: string): never {
    const { kind, text, at } = this.token;
    throw new FilterFault(`expected ${expected} at character ${at + 1}${kind === 'end' ? '' : `, not ${text}`}`);
  }
}
