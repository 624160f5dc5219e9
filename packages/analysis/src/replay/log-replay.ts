import { Buffer } from 'node:buffer';
import type { RouteEntry } from '@weft/routing';
import { LineSpans, type LoggedRequest, readLine } from './log-line.ts';
import { PathVerdicts } from './path-verdicts.ts';
import { type ReplayOptions, RequestJudge, type Sides, loggedRule, staysAsItIs } from './request-judge.ts';
import { SpanCache } from './span-cache.ts';
import type { Verdict, VerdictKind } from './verdict.ts';

export interface ReplayReport {
  readonly lines: number;
  /** Of requests that a caller's proxy or a Gateway routed. */
  readonly requests: number;
  readonly counts: Readonly<Record<VerdictKind, number>>;
  /** All that is not `same`, the most frequent first. */
  readonly verdicts: readonly Verdict[];
}

/** Spans and paths that were decided; beyond that many it is forgotten which. */
const MOST_REMEMBERED = 200_000;
/** Lines of ours are bounded to some kilobytes. */
const LONGEST_LINE_BYTES = 1 << 20;

/**
 * Replays an access log against a configuration: each request is decided anew by the tables that decide for traffic. Feed
 * chunks in order, cut anywhere, then `finish`. A chunk is the caller's again when `feed` returns.
 *
 * What decides a request is remembered by parts (see `LineSpans`): the part before the path, the part that tells who called
 * and which rule took it, and the place of its path among the rules. Only what is new in one of them is decided.
 */
export class LogReplay {
  readonly #judge: RequestJudge;
  readonly #spans = new LineSpans();
  #heads = new SpanCache<Head>();
  #tails = new SpanCache<Tail>();
  #remembered = 0;
  /** The line that the last chunk began. */
  #pieces: Buffer[] = [];
  #pieceBytes = 0;
  #lines = 0;

  constructor(options: ReplayOptions) {
    this.#judge = new RequestJudge(options);
  }

  feed(chunk: Uint8Array): void {
    let start = 0;
    if (this.#pieceBytes > 0) {
      const end = chunk.indexOf(LINE_FEED);
      this.#keep(end < 0 ? chunk : chunk.subarray(0, end));
      if (end < 0) return;
      this.#endPieces();
      start = end + 1;
    }
    const last = chunk.lastIndexOf(LINE_FEED) + 1;
    if (last > start) this.#block(chunk.subarray(start, last));
    if (last < chunk.length) this.#keep(chunk.subarray(Math.max(start, last)));
  }

  finish(): ReplayReport {
    if (this.#pieceBytes > 0) this.#endPieces();
    const counts: Record<VerdictKind, number> = {
      same: 0,
      elsewhere: 0,
      otherwise: 0,
      undecidable: 0,
      arrived: 0,
      connection: 0,
      unreadable: 0,
    };
    const all = this.#judge.verdicts();
    for (const { kind, count } of all) counts[kind] += count;
    const verdicts = all.filter(({ kind }) => kind !== 'same');
    return {
      lines: this.#lines,
      requests: counts.same + counts.elsewhere + counts.otherwise + counts.undecidable,
      counts,
      verdicts: verdicts.sort((a, b) => b.count - a.count),
    };
  }

  #keep(piece: Uint8Array): void {
    this.#pieceBytes += piece.length;
    // What is too long to be a line is kept as far as it tells that it was one.
    if (this.#pieceBytes <= LONGEST_LINE_BYTES) this.#pieces.push(Buffer.from(piece));
  }

  #endPieces(): void {
    const line = Buffer.concat(this.#pieces);
    this.#pieces = [];
    const isWhole = this.#pieceBytes === line.length;
    this.#pieceBytes = 0;
    if (isWhole) this.#block(line);
    else this.#lineOf('');
  }

  /** Lines as a whole; the last one may lack its end. */
  #block(block: Uint8Array): void {
    const words = new DataView(block.buffer, block.byteOffset, block.length);
    const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
    // A character a byte: texts of ASCII are cut from it without being copied.
    const text = bytes.toString('latin1');
    for (let start = 0; start < bytes.length;) {
      const found = bytes.indexOf(LINE_FEED, start);
      const end = found < 0 ? bytes.length : found;
      if (end > start) {
        const isOurs = this.#spans.findHead(bytes, words, start, end);
        const verdict = isOurs ? this.#known(bytes, words, text, end) : undefined;
        if (verdict === undefined) this.#lineOf(bytes.toString('utf8', start, end));
        else {
          this.#lines += 1;
          verdict.count += 1;
        }
      }
      start = end + 1;
    }
  }

  #lineOf(json: string): void {
    this.#lines += 1;
    const line = readLine(json);
    (line === undefined ? this.#judge.unreadable() : this.#judge.decide(line)).count += 1;
  }

  /** The verdict on the line whose head was found; undefined when it must be read as a whole. */
  #known(bytes: Buffer, words: DataView, text: string, end: number): Verdict | undefined {
    const spans = this.#spans;
    const { headStart, pathStart, headHash, pathEnd, targetEnd } = spans;
    const head = this.#heads.get(words, headStart, pathStart, headHash) ?? this.#readHead(bytes, words);
    if (head.line === undefined || head.fixed !== undefined) return head.fixed;
    if (!spans.findTail(bytes, words, end)) return undefined;
    const tail = this.#tails.get(words, spans.tailStart, spans.tailEnd, spans.tailHash) ?? this.#readTail(bytes, words);
    const { sides } = tail;
    if (sides === undefined) return undefined;
    const decided = head.sides === sides ? head.decided! : this.#decidedOf(head, sides);
    if (decided.settled !== undefined) return decided.settled;
    const queryChars = decided.asksQuery ? Math.max(0, targetEnd - pathEnd - 1) : 0;
    const isRedacted = queryChars === REDACTED.length && text.startsWith(REDACTED, pathEnd + 1);
    // A query that is there and that rules ask for is as good as never the same.
    const known = queryChars === 0 ? decided.plain : isRedacted ? decided.redacted : undefined;
    const verdict = known?.find(text.slice(pathStart, pathEnd), tail.logged);
    return verdict ?? this.#decideAt(head.line, tail, text, known);
  }

  #decideAt(head: LoggedRequest, tail: Tail, text: string, known: PathVerdicts | undefined): Verdict {
    const { direction, protocol, method, authority } = head;
    const { pathStart, targetEnd } = this.#spans;
    // A slice keeps the block that it was cut from for as long as it lives.
    const path = Buffer.from(text.slice(pathStart, targetEnd), 'latin1').toString('latin1');
    const verdict = this.#judge.decide({ ...tail.line, direction, protocol, method, authority, path });
    if (known?.put(tail.logged, verdict) === true) this.#remember();
    return verdict;
  }

  #readHead(bytes: Buffer, words: DataView): Head {
    const { headStart, pathStart, headHash } = this.#spans;
    const line = readLine(`{${bytes.toString('utf8', headStart, pathStart)}"}`);
    const isRouted = line !== undefined && line.protocol !== 'tcp' && line.direction === 'outbound';
    const fixed = line === undefined || isRouted ? undefined : this.#judge.decide(line);
    const head: Head = { line, fixed, sides: undefined, decided: undefined, bySides: new Map() };
    this.#remember();
    this.#heads.put(words, headStart, pathStart, headHash, head);
    return head;
  }

  #readTail(bytes: Buffer, words: DataView): Tail {
    const { tailStart, tailEnd, tailHash } = this.#spans;
    const line = readLine(`{"direction":"-","protocol":"-",${bytes.toString('utf8', tailStart, tailEnd)}"}`) ?? NO_LINE;
    const caller = this.#judge.callerOf(line);
    const sides = typeof caller === 'string' || line.route === '' ? undefined : this.#judge.sidesOf(caller);
    const tail: Tail = { line, sides, logged: loggedRule(line) };
    this.#remember();
    this.#tails.put(words, tailStart, tailEnd, tailHash, tail);
    return tail;
  }

  #decidedOf(head: Head, sides: Sides): Decided {
    let decided = head.bySides.get(sides);
    if (decided === undefined) {
      const { authority } = head.line!;
      const before = sides.old?.find(authority);
      const after = sides.next.find(authority);
      const isSettled = before !== undefined && staysAsItIs(before, after);
      const asksQuery = [before, after].some((place) => place?.routes?.match.entries.some(asksForQuery));
      const make = (): PathVerdicts | undefined => {
        if (after.routes === undefined || (before !== undefined && before.routes === undefined)) return undefined;
        return new PathVerdicts(before?.routes?.match ?? null, after.routes.match, authority);
      };
      decided = { settled: isSettled ? this.#judge.same : undefined, asksQuery, plain: make(), redacted: make() };
      head.bySides.set(sides, decided);
      this.#remember();
    }
    head.sides = sides;
    head.decided = decided;
    return decided;
  }

  #remember(): void {
    this.#remembered += 1;
    if (this.#remembered < MOST_REMEMBERED) return;
    this.#remembered = 0;
    this.#heads = new SpanCache();
    this.#tails = new SpanCache();
  }
}

/** What stands before the path: direction, protocol, method, authority. */
interface Head {
  /** Undefined when it is no line of a log. */
  readonly line: LoggedRequest | undefined;
  /** The verdict on all such lines. */
  readonly fixed: Verdict | undefined;
  /** Who was the last to ask, and what is known for them. */
  sides: Sides | undefined;
  decided: Decided | undefined;
  readonly bySides: Map<Sides, Decided>;
}

/** What stands near the end: who called, and which rule took it. */
interface Tail {
  readonly line: LoggedRequest;
  /** Undefined when only the line as a whole can tell. */
  readonly sides: Sides | undefined;
  readonly logged: string;
}

/** What is known of requests of one head by one caller. */
interface Decided {
  /** The verdict on all of them. */
  readonly settled: Verdict | undefined;
  /** A rule asks for a parameter. */
  readonly asksQuery: boolean;
  /** Undefined where there are no rules on either side. */
  readonly plain: PathVerdicts | undefined;
  readonly redacted: PathVerdicts | undefined;
}

const LINE_FEED = 0x0a;
const REDACTED = 'redacted';

const NO_LINE: LoggedRequest = {
  direction: '',
  protocol: '',
  method: '',
  authority: '',
  path: '',
  source: '',
  destination: '',
  route: '',
  rule: '',
  termination: '',
};

function asksForQuery({ conditions }: RouteEntry): boolean {
  return conditions.some(({ field }) => field === 'query');
}
