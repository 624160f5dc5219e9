import { terminationIndex } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import type { RouteTable } from '@weft/decision';
import type { ExchangeFacts } from '../exchange/exchange-facts.ts';
import { KnownNames, type MatchFacts } from './known-names.ts';
import { TextHeap, type TextReader } from './text-heap.ts';

/** Bytes of the fixed part of a record, and of the texts of a usual one. */
const FIXED_BYTES = 136;
const TEXT_BYTES = 64;
export const RECORD_BYTES = FIXED_BYTES + TEXT_BYTES;

const WORDS = FIXED_BYTES / 4;
const HALVES = FIXED_BYTES / 2;

// Places of 32-bit words; the first two are the end as a double.
const REQUEST_ID = 2;
const TRACE_ID = 6;
const DURATION = 10;
const DECIDE = 11;
const BACKOFF = 12;
const EARLIER = 13;
const CONNECT = 14;
const TLS = 15;
const UPSTREAM = 16;
const OWN = 17;
const SCORE = 18;
const RIVAL_SCORE = 19;
const REQUEST_BYTES = 20;
const RESPONSE_BYTES = 21;
const EJECTED_FOR = 22;
const LEFT = 23;
// Of 16-bit halves.
const DESTINATION = 48;
const SOURCE = 49;
const MATCH = 50;
const ENDPOINT = 51;
const RIVAL = 52;
const ADDRESS = 53;
const VERSION = 54;
const IDENTITY = 55;
const STATUS = 56;
const ENDPOINTS = 57;
const EJECTED = 58;
const UNHEALTHY = 59;
const SLOW_START = 60;
const ACTIVE = 61;
const BUDGET_REQUESTS = 62;
const BUDGET_RETRIES = 63;
// Of bytes.
const TERMINATION = 128;
const ATTEMPTS = 129;
const FLAGS = 130;
const STATE = 131;
const GRPC = 132;
const DRAWN = 133;
const CUT = 134;

const Flag = {
  Inbound: 1,
  Http2: 2,
  Panic: 4,
  BudgetSpent: 8,
  PackedId: 16,
  HasBackend: 32,
  Limited: 64,
  PathCut: 128,
} as const;

/** Why a record was kept. */
export type Kept = 'error' | 'retried' | 'sample';
const keptWords: readonly Kept[] = ['error', 'retried', 'sample'];
const breakerWords = ['off', 'closed', 'open', 'half-open'] as const;

const PATH_BYTES = 160;
const AUTHORITY_BYTES = 64;
const DETAIL_BYTES = 96;
const FIELD_BYTES = 64;
const QUERY_BYTES = 160;
const ID_BYTES = 128;
const MOST_TRIES = 8;
/** The texts of one record at most. */
const MOST_TEXT = 3_584;

/** One try that another followed, as a record holds it. */
export interface KeptTry {
  readonly endpoint: string;
  readonly address: string;
  readonly startedMs: number;
  readonly durationMs: number;
  readonly status: number;
  readonly code: string;
  readonly reason: string;
  readonly backoffMs: number;
  readonly score: number;
}

/** A record, read. Durations are milliseconds, -1 for none. */
export interface KeptRecord {
  readonly endedAtMs: number;
  readonly requestId: string;
  readonly traceId: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly pathCut: boolean;
  readonly query: string;
  /** Of `match.asked`, in its order. */
  readonly fields: readonly (string | undefined)[];
  readonly detail: string;
  readonly durationMs: number;
  readonly decideMs: number;
  readonly backoffMs: number;
  readonly earlierMs: number;
  readonly connectMs: number;
  readonly tlsMs: number;
  readonly upstreamMs: number;
  readonly ownMs: number;
  readonly leftMs: number;
  readonly score: number;
  readonly rivalScore: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly destination: string;
  readonly source: string;
  readonly match: MatchFacts;
  readonly endpoint: string;
  readonly address: string;
  readonly rival: string;
  readonly version: string;
  readonly upstreamIdentity: string;
  readonly status: number;
  readonly grpcStatus: number;
  readonly termination: number;
  readonly attempts: number;
  readonly tries: readonly KeptTry[];
  readonly inbound: boolean;
  readonly http2: boolean;
  readonly budgetSpent: boolean;
  readonly drawn: number;
  readonly kept: Kept;
  readonly backend: {
    readonly endpoints: number;
    readonly ejected: number;
    readonly unhealthy: number;
    readonly slowStart: number;
    readonly panic: boolean;
    readonly ejectedForMs: number;
    readonly breaker: string;
    readonly activeRequests: number;
    readonly budgetRequests: number;
    readonly budgetRetries: number;
  } | null;
}

/**
 * The last decisions of one thread, 200 bytes each: numbers in typed arrays, names by number, and the texts of the request in
 * a ring of bytes. Writing makes no objects but for what the head must say as text anyway.
 *
 * Rules passed over are not written: they follow from the routes and the fields that those ask for, both of which are held, and
 * are found when somebody asks.
 */
export class DecisionRing {
  private readonly capacity: number;
  private readonly words: Uint32Array;
  private readonly floats: Float32Array;
  private readonly doubles: Float64Array;
  private readonly halves: Uint16Array;
  private readonly bytes: Uint8Array;
  /** Where the texts of each record begin. */
  private readonly positions: Float64Array;
  private readonly heap: TextHeap;
  private names: KnownNames;
  private written: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    const fixed = new ArrayBuffer(capacity * FIXED_BYTES);
    this.words = new Uint32Array(fixed);
    this.floats = new Float32Array(fixed);
    this.doubles = new Float64Array(fixed);
    this.halves = new Uint16Array(fixed);
    this.bytes = new Uint8Array(fixed);
    this.positions = new Float64Array(capacity);
    this.heap = new TextHeap(Math.max(MOST_TEXT * 2, capacity * (TEXT_BYTES - 8)));
    this.names = new KnownNames();
    this.written = 0;
  }

  /** Bytes of its arrays. */
  get heldBytes(): number {
    return this.bytes.length + this.positions.byteLength + this.heap.bytes.length;
  }

  /** Records that can be read. */
  get length(): number {
    return this.written - this.oldest();
  }

  /** When the oldest record ended; 0 without one. */
  get sinceMs(): number {
    const oldest = this.oldest();
    return oldest === this.written ? 0 : this.doubles[((oldest % this.capacity) * FIXED_BYTES) / 8]!;
  }

  clear(): void {
    this.names = new KnownNames();
    this.written = 0;
  }

  /** Writes down a request that has ended. `ownMs`: see `Hop`; `endedAtMs` is Unix time. */
  put(
    exchange: ExchangeFacts,
    code: TerminationCode,
    detail: string,
    kept: Kept,
    ownMs: number,
    endedAtMs: number,
  ): void {
    // After very many changes of configuration; what a record names must stay readable.
    if (this.names.isFull) this.clear();
    const slot = this.written % this.capacity;
    this.putTimes(exchange, slot, ownMs, endedAtMs);
    const match = this.putNames(exchange, slot);
    this.putStates(exchange, slot, code, kept);
    this.putTexts(exchange, slot, detail, match);
    this.written += 1;
  }

  /** Records of a trace or request id, oldest first. */
  find(id: string): KeptRecord[] {
    const found: KeptRecord[] = [];
    const trace = id.length === 32 ? packed(id) : undefined;
    const uuid = id.length === 36 ? packed(id.replaceAll('-', '')) : undefined;
    for (let index = this.oldest(); index < this.written; index += 1) {
      const slot = index % this.capacity;
      const word = slot * WORDS;
      const isPacked = (this.bytes[slot * FIXED_BYTES + FLAGS]! & Flag.PackedId) !== 0;
      const fits =
        (trace !== undefined && this.isAt(word + TRACE_ID, trace)) ||
        (isPacked ? uuid !== undefined && this.isAt(word + REQUEST_ID, uuid) : this.idText(slot) === id);
      if (fits) found.push(this.read(slot));
    }
    return found;
  }

  private oldest(): number {
    let oldest = Math.max(0, this.written - this.capacity);
    while (oldest < this.written && !this.heap.isHeld(this.positions[oldest % this.capacity]!)) oldest += 1;
    return oldest;
  }

  private putTimes(exchange: ExchangeFacts, slot: number, ownMs: number, endedAtMs: number): void {
    const { floats } = this;
    const at = slot * WORDS;
    const { durationMs, startMs, attempts, failedTries, requestDeadlineMs } = exchange;
    let backoffMs = 0;
    let earlierMs = 0;
    if (failedTries !== null) {
      for (const failed of failedTries) {
        backoffMs += failed.backoffMs;
        earlierMs += failed.durationMs;
      }
    }
    this.doubles[(slot * FIXED_BYTES) / 8] = endedAtMs;
    floats[at + DURATION] = durationMs;
    floats[at + DECIDE] = attempts === 0 ? durationMs : exchange.firstTryMs - startMs;
    floats[at + BACKOFF] = backoffMs;
    floats[at + EARLIER] = earlierMs;
    floats[at + CONNECT] = exchange.connectMs;
    floats[at + TLS] = exchange.tlsMs;
    floats[at + UPSTREAM] = exchange.upstreamMs;
    floats[at + OWN] = ownMs;
    floats[at + SCORE] = exchange.score;
    floats[at + RIVAL_SCORE] = exchange.rival === null ? -1 : exchange.rivalScore;
    floats[at + REQUEST_BYTES] = exchange.requestBytes;
    floats[at + RESPONSE_BYTES] = exchange.responseBytes;
    floats[at + LEFT] = requestDeadlineMs === Number.POSITIVE_INFINITY ? 0 : requestDeadlineMs - startMs - durationMs;
  }

  private putNames(exchange: ExchangeFacts, slot: number): MatchFacts {
    const { halves, names } = this;
    const at = slot * HALVES;
    const { ingress, decision, destination, endpoint, rival, tables } = exchange;
    const { rule } = decision;
    const routes = routesOf(exchange);
    const entry = rule !== undefined && routes?.rules[decision.entry.rule] === rule ? decision.entry : null;
    const match = names.matchOf(routes, rule, entry);
    halves[at + DESTINATION] = names.numberOf(destination === '' ? (exchange.backend?.key ?? '') : destination);
    halves[at + SOURCE] = names.numberOf(ingress.peerIdentity === '' ? ingress.source : ingress.peerIdentity);
    halves[at + MATCH] = match;
    halves[at + ENDPOINT] = endpoint === null ? 0 : names.numberOf(endpoint.key);
    halves[at + RIVAL] = rival === null || endpoint === null ? 0 : names.numberOf(rival.key);
    halves[at + ADDRESS] =
      endpoint === null ? 0 : names.numberOf(`${endpoint.endpoint.address}:${endpoint.endpoint.port}`);
    halves[at + VERSION] = names.numberOf(tables.version);
    halves[at + IDENTITY] = endpoint?.endpoint.mesh === true ? names.numberOf(endpoint.endpoint.identity) : 0;
    return names.match(match);
  }

  private putStates(exchange: ExchangeFacts, slot: number, code: TerminationCode, kept: Kept): void {
    const { halves, bytes, floats } = this;
    const at = slot * HALVES;
    const byte = slot * FIXED_BYTES;
    const { ingress, decision, backend, startMs, durationMs } = exchange;
    let flags = 0;
    if (ingress.kind === 'inbound') flags |= Flag.Inbound;
    if (exchange.protocol === 'http2') flags |= Flag.Http2;
    if (exchange.budgetSpent) flags |= Flag.BudgetSpent;
    if (exchange.requestDeadlineMs !== Number.POSITIVE_INFINITY) flags |= Flag.Limited;
    let state = keptWords.indexOf(kept);
    if (backend !== null) {
      const tally = backend.tally(startMs + durationMs);
      flags |= Flag.HasBackend;
      if (tally.panic) flags |= Flag.Panic;
      state |= breakerWords.indexOf(tally.breaker) << 2;
      halves[at + ENDPOINTS] = tally.endpoints;
      halves[at + EJECTED] = tally.ejected;
      halves[at + UNHEALTHY] = tally.unhealthy;
      halves[at + SLOW_START] = tally.slowStart;
      halves[at + ACTIVE] = Math.min(0xffff, backend.activeRequests);
      halves[at + BUDGET_REQUESTS] = Math.min(0xffff, tally.budgetRequests);
      halves[at + BUDGET_RETRIES] = Math.min(0xffff, tally.budgetRetries);
      const ejectedForMs = tally.ejectedUntilMs - startMs - durationMs;
      floats[slot * WORDS + EJECTED_FOR] = tally.ejected === 0 ? -1 : Math.max(0, ejectedForMs);
    }
    halves[at + STATUS] = exchange.status;
    bytes[byte + TERMINATION] = terminationIndex(code);
    bytes[byte + ATTEMPTS] = Math.min(255, exchange.attempts);
    bytes[byte + FLAGS] = flags;
    bytes[byte + STATE] = state;
    bytes[byte + GRPC] = Math.min(254, exchange.grpcStatus) + 1;
    bytes[byte + DRAWN] = decision.rule === undefined ? 0 : Math.min(254, decision.backendIndex) + 1;
  }

  private putTexts(exchange: ExchangeFacts, slot: number, detail: string, match: MatchFacts): void {
    const { heap, bytes } = this;
    const { head, failedTries } = exchange;
    const byte = slot * FIXED_BYTES;
    const word = slot * WORDS;
    this.positions[slot] = heap.begin(MOST_TEXT);
    const traceId = exchange.traceId === '' ? receivedTrace(exchange) : exchange.traceId;
    if (traceId.length !== 32 || !this.pack(word + TRACE_ID, traceId))
      this.words.fill(0, word + TRACE_ID, word + TRACE_ID + 4);
    const requestId = exchange.requestId === '' ? receivedId(exchange) : exchange.requestId;
    if (isUuid(requestId) && this.pack(word + REQUEST_ID, requestId)) bytes[byte + FLAGS]! |= Flag.PackedId;
    else heap.put(requestId, ID_BYTES);
    heap.put(head.method, 24);
    heap.put(head.authority, AUTHORITY_BYTES);
    const { path } = head;
    if (path.length > PATH_BYTES) bytes[byte + FLAGS]! |= Flag.PathCut;
    heap.put(path, PATH_BYTES);
    heap.put(detail, DETAIL_BYTES);
    let cut = 0;
    if (match.asksQuery) {
      heap.put(head.query, QUERY_BYTES);
      if (head.query.length > QUERY_BYTES) cut = 1;
    }
    for (const name of match.asked ?? []) {
      const value = head.valueOf(name);
      if (value === undefined) heap.putAbsent();
      else {
        if (value.length > FIELD_BYTES) cut = 1;
        heap.put(value, FIELD_BYTES);
      }
    }
    bytes[byte + CUT] = cut;
    const tries = failedTries === null ? 0 : Math.min(MOST_TRIES, failedTries.length);
    heap.putByte(tries);
    for (let index = 0; index < tries; index += 1) {
      const { endpoint, startedMs, durationMs, status, code, reason, backoffMs, score } = failedTries![index]!;
      heap.put(endpoint.key, 64);
      heap.put(`${endpoint.endpoint.address}:${endpoint.endpoint.port}`, 64);
      const started = (startedMs - exchange.startMs).toFixed(3);
      heap.put(
        `${started} ${durationMs.toFixed(3)} ${status} ${code === '' ? '-' : code} ${reason} ${backoffMs.toFixed(3)} ${score.toFixed(3)}`,
        120,
      );
    }
  }

  private idText(slot: number): string {
    return this.heap.reader(this.positions[slot]!).text();
  }

  private read(slot: number): KeptRecord {
    const { floats, halves, bytes, names } = this;
    const word = slot * WORDS;
    const half = slot * HALVES;
    const byte = slot * FIXED_BYTES;
    const flags = bytes[byte + FLAGS]!;
    const match = names.match(halves[half + MATCH]!);
    const reader = this.heap.reader(this.positions[slot]!);
    const requestId = (flags & Flag.PackedId) === 0 ? reader.text() : uuidText(this.hex(word + REQUEST_ID));
    const traceId = this.hex(word + TRACE_ID);
    const state = bytes[byte + STATE]!;
    const isLimited = (flags & Flag.Limited) !== 0;
    return {
      endedAtMs: this.doubles[byte / 8]!,
      requestId,
      traceId: /^0+$/.test(traceId) ? '' : traceId,
      method: reader.text(),
      authority: reader.text(),
      path: reader.text(),
      pathCut: (flags & Flag.PathCut) !== 0 || bytes[byte + CUT] === 1,
      detail: reader.text(),
      query: match.asksQuery ? reader.text() : '',
      fields: (match.asked ?? []).map(() => reader.optionalText()),
      tries: triesOf(reader),
      durationMs: floats[word + DURATION]!,
      decideMs: floats[word + DECIDE]!,
      backoffMs: floats[word + BACKOFF]!,
      earlierMs: floats[word + EARLIER]!,
      connectMs: floats[word + CONNECT]!,
      tlsMs: floats[word + TLS]!,
      upstreamMs: floats[word + UPSTREAM]!,
      ownMs: floats[word + OWN]!,
      leftMs: isLimited ? Math.max(0, floats[word + LEFT]!) : -1,
      score: floats[word + SCORE]!,
      rivalScore: floats[word + RIVAL_SCORE]!,
      requestBytes: floats[word + REQUEST_BYTES]!,
      responseBytes: floats[word + RESPONSE_BYTES]!,
      destination: names.textOf(halves[half + DESTINATION]!),
      source: names.textOf(halves[half + SOURCE]!),
      match,
      endpoint: names.textOf(halves[half + ENDPOINT]!),
      address: names.textOf(halves[half + ADDRESS]!),
      rival: names.textOf(halves[half + RIVAL]!),
      version: names.textOf(halves[half + VERSION]!),
      upstreamIdentity: names.textOf(halves[half + IDENTITY]!),
      status: halves[half + STATUS]!,
      grpcStatus: bytes[byte + GRPC]! - 1,
      termination: bytes[byte + TERMINATION]!,
      attempts: bytes[byte + ATTEMPTS]!,
      inbound: (flags & Flag.Inbound) !== 0,
      http2: (flags & Flag.Http2) !== 0,
      budgetSpent: (flags & Flag.BudgetSpent) !== 0,
      drawn: bytes[byte + DRAWN]! - 1,
      kept: keptWords[state & 3]!,
      backend:
        (flags & Flag.HasBackend) === 0
          ? null
          : {
              endpoints: halves[half + ENDPOINTS]!,
              ejected: halves[half + EJECTED]!,
              unhealthy: halves[half + UNHEALTHY]!,
              slowStart: halves[half + SLOW_START]!,
              panic: (flags & Flag.Panic) !== 0,
              ejectedForMs: floats[word + EJECTED_FOR]!,
              breaker: breakerWords[(state >> 2) & 3]!,
              activeRequests: halves[half + ACTIVE]!,
              budgetRequests: halves[half + BUDGET_REQUESTS]!,
              budgetRetries: halves[half + BUDGET_RETRIES]!,
            },
    };
  }

  /** False when it holds what is no hexadecimal digit, or an upper-case one. */
  private pack(word: number, text: string): boolean {
    let at = word;
    let value = 0;
    let digits = 0;
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index);
      if (code === 0x2d) continue;
      const digit = code >= 0x30 && code <= 0x39 ? code - 0x30 : code >= 0x61 && code <= 0x66 ? code - 0x57 : -1;
      if (digit < 0) return false;
      value = (value << 4) | digit;
      digits += 1;
      if ((digits & 7) === 0) {
        this.words[at] = value;
        at += 1;
        value = 0;
      }
    }
    return true;
  }

  private isAt(word: number, wanted: Uint32Array): boolean {
    for (let index = 0; index < 4; index += 1) if (this.words[word + index] !== wanted[index]) return false;
    return true;
  }

  private hex(word: number): string {
    let text = '';
    for (let index = 0; index < 4; index += 1) text += this.words[word + index]!.toString(16).padStart(8, '0');
    return text;
  }
}

function routesOf({ ingress, tables, destination, head }: ExchangeFacts): RouteTable | undefined {
  if (ingress.kind === 'gateway') return tables.listenerFor(Number(ingress.listener), head.authority)?.routes;
  return destination === '' ? undefined : tables.destination(destination)?.routes;
}

/** Of a request that was refused before it had one of ours: what its caller calls it. */
function receivedId({ head }: ExchangeFacts): string {
  return head.valueOf('x-request-id') ?? '';
}

function receivedTrace({ head }: ExchangeFacts): string {
  const value = head.valueOf('traceparent') ?? '';
  return /^[0-9a-f]{2}-[0-9a-f]{32}-/.test(value) ? value.slice(3, 35) : '';
}

function isUuid(text: string): boolean {
  return (
    text.length === 36 &&
    text.charCodeAt(8) === 0x2d &&
    text.charCodeAt(13) === 0x2d &&
    text.charCodeAt(18) === 0x2d &&
    text.charCodeAt(23) === 0x2d &&
    text.lastIndexOf('-') === 23
  );
}

function uuidText(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function packed(hex: string): Uint32Array | undefined {
  if (!/^[0-9a-f]{32}$/.test(hex)) return undefined;
  return Uint32Array.from([0, 8, 16, 24], (at) => Number.parseInt(hex.slice(at, at + 8), 16));
}

function triesOf(reader: TextReader): KeptTry[] {
  return Array.from({ length: reader.byte() }, () => {
    const endpoint = reader.text();
    const address = reader.text();
    const [startedMs, durationMs, status, code = '', reason = '', backoffMs, score] = reader.text().split(' ');
    return {
      endpoint,
      address,
      startedMs: Number(startedMs),
      durationMs: Number(durationMs),
      status: Number(status),
      code: code === '-' ? '' : code,
      reason,
      backoffMs: Number(backoffMs),
      score: Number(score),
    };
  });
}
