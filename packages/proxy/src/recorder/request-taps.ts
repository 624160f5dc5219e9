import type { Timer, TimerWheel } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import {
  MAX_TOLD_BYTES,
  type Tap,
  type TapFilter,
  type Tapped,
  type TappedField,
  type TappedRequest,
} from '@weft/wire';
import type { ExchangeFacts } from '../exchange/exchange-facts.ts';
import { clipped, isSecret } from './told-text.ts';

/** How often what was tapped is handed over, and how much of it at once. */
const HAND_OVER_MS = 200;
const MOST_AT_ONCE = 250;
const MOST_TAPS = 16;
const MOST_FIELDS = 40;
const RATE_WINDOW_MS = 1_000;

/** Fields whose values are shown without being asked for. */
const HARMLESS = new Set([
  'accept',
  'accept-encoding',
  'content-length',
  'content-type',
  'grpc-timeout',
  'host',
  'te',
  'traceparent',
  'transfer-encoding',
  'user-agent',
  'via',
  'x-request-id',
]);

interface OpenTap {
  readonly id: number;
  readonly filter: TapFilter;
  readonly maxRate: number;
  readonly end: Timer;
  requests: TappedRequest[];
  dropped: number;
  windowStartMs: number;
  inWindow: number;
}

/**
 * Live requests for whoever watches: those that fit are told, so many in a second and no more; the others are counted. With
 * nobody watching a request costs one comparison.
 */
export class RequestTaps {
  private readonly wheel: TimerWheel;
  private readonly threads: number;
  private readonly emit: (tapped: Tapped) => void;
  private readonly taps: Map<number, OpenTap>;
  private scheduled: boolean;

  /** `threads` share a rate. */
  constructor(wheel: TimerWheel, threads: number, emit: (tapped: Tapped) => void) {
    this.wheel = wheel;
    this.threads = threads;
    this.emit = emit;
    this.taps = new Map();
    this.scheduled = false;
  }

  get isOpen(): boolean {
    return this.taps.size > 0;
  }

  take({ id, stop, filter, lastsMs }: Tap): void {
    this.close(id);
    if (stop || filter === null || this.taps.size >= MOST_TAPS) return;
    this.taps.set(id, {
      id,
      filter,
      maxRate: Math.max(1, Math.floor(filter.maxRate / this.threads)),
      end: this.wheel.schedule(lastsMs, () => this.close(id)),
      requests: [],
      dropped: 0,
      windowStartMs: 0,
      inWindow: 0,
    });
  }

  /** Ends all: nobody is there to hear. */
  closeAll(): void {
    for (const id of this.taps.keys()) this.close(id);
  }

  offer(exchange: ExchangeFacts, code: TerminationCode, peer: string, secured: boolean, wallMs: number): void {
    const nowMs = exchange.startMs + exchange.durationMs;
    for (const tap of this.taps.values()) {
      if (!fits(tap.filter, exchange, peer)) continue;
      if (nowMs - tap.windowStartMs >= RATE_WINDOW_MS) {
        tap.windowStartMs = nowMs;
        tap.inWindow = 0;
      }
      if (tap.inWindow >= tap.maxRate || tap.requests.length >= MOST_AT_ONCE) tap.dropped += 1;
      else {
        tap.inWindow += 1;
        tap.requests.push(describe(exchange, code, peer, secured, wallMs, tap.filter.showValues));
      }
      this.handOverLater();
    }
  }

  private close(id: number): void {
    this.taps.get(id)?.end.cancel();
    this.taps.delete(id);
  }

  private handOverLater(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.wheel.schedule(HAND_OVER_MS, () => {
      this.scheduled = false;
      for (const tap of this.taps.values()) {
        const { id, requests, dropped } = tap;
        if (requests.length === 0 && dropped === 0) continue;
        tap.requests = [];
        tap.dropped = 0;
        this.emit({ id, requests, dropped });
      }
    });
  }
}

function fits(filter: TapFilter, exchange: ExchangeFacts, peer: string): boolean {
  const { head, ingress, status, durationMs } = exchange;
  const inbound = ingress.kind === 'inbound';
  if (filter.direction !== 'Both' && (filter.direction === 'Inbound') !== inbound) return false;
  if (filter.statusTo > 0 && (status < filter.statusFrom || status > filter.statusTo)) return false;
  if (durationMs < filter.slowerThanMs) return false;
  if (filter.destination !== '' && !inbound && filter.destination !== peer) return false;
  if (filter.method !== '' && filter.method !== head.method) return false;
  if (filter.path === '') return true;
  return filter.path.startsWith('=') ? head.path === filter.path.slice(1) : head.path.startsWith(filter.path);
}

function describe(
  exchange: ExchangeFacts,
  code: TerminationCode,
  peer: string,
  secured: boolean,
  wallMs: number,
  showValues: boolean,
): TappedRequest {
  const { head, ingress, endpoint, decision, durationMs } = exchange;
  const inbound = ingress.kind === 'inbound';
  return {
    atMs: wallMs - durationMs,
    direction: inbound ? 'Inbound' : 'Outbound',
    source: clipped(ingress.peerIdentity === '' ? ingress.source : ingress.peerIdentity, 512),
    destination: clipped(inbound ? exchange.destination : peer, 512),
    method: clipped(head.method, 64),
    authority: clipped(head.authority, 256),
    path: clipped(head.path, MAX_TOLD_BYTES),
    status: exchange.status,
    grpcStatus: exchange.grpcStatus,
    termination: code,
    durationMs,
    requestBytes: exchange.requestBytes,
    responseBytes: exchange.responseBytes,
    attempts: exchange.attempts,
    route: decision.rule?.route ?? '',
    rule: decision.rule?.rule ?? '',
    endpoint: endpoint === null ? '' : `${endpoint.endpoint.address}:${endpoint.endpoint.port}`,
    secured,
    requestId: clipped(exchange.requestId, 128),
    traceId: exchange.traceId,
    fields: fieldsOf(exchange, showValues),
  };
}

function fieldsOf({ head }: ExchangeFacts, showValues: boolean): TappedField[] {
  const fields: TappedField[] = [];
  for (let index = 0; index < head.count && fields.length < MOST_FIELDS; index += 1) {
    const name = head.name(index);
    const shown = HARMLESS.has(name) || (showValues && !isSecret(name));
    fields.push({
      name: clipped(name, 128),
      value: shown ? clipped(head.value(index), 256) : '',
      redacted: !shown,
    });
  }
  return fields;
}
