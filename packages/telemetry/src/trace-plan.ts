import type { Propagated, Propagation, TraceHeaders } from './propagation.ts';
import { propagations, readPropagated } from './propagation.ts';
import type { RandomIds } from './random-ids.ts';
import { type SpanContext, type TraceContext, isSampledId } from './trace-context.ts';

/** What a policy says about the traces of some requests. */
export interface TraceRules {
  /** Share of the traces that begin here, 0 to 1,000,000. */
  readonly sampledPerMillion: number;
  /** Whether a decision that came in holds. Otherwise each hop decides by the trace id, and all that say the same share agree. */
  readonly parentBased: boolean;
  /** Most traces begun in a second, and most failures kept beside them; 0 is no limit. */
  readonly maxPerSecond: number;
  /** Whether spans of a request that failed are exported though its trace is not sampled. */
  readonly keepsErrors: boolean;
  /** Asked in this order; all are written. */
  readonly ways: readonly Propagation[];
}

export const defaultTraceRules: Omit<TraceRules, 'sampledPerMillion'> = Object.freeze({
  parentBased: true,
  maxPerSecond: 0,
  keepsErrors: false,
  ways: Object.freeze(propagations.slice(0, 1)),
});

/** Decides which traces are kept. One of each thread and policy: its rates are counted here. */
export class TracePlan {
  readonly rules: TraceRules;
  /** `traceparent` is all that is sent, as by default. */
  readonly writesW3cAlone: boolean;
  private readonly begun: Rate;
  private readonly failures: Rate;

  constructor(rules: TraceRules) {
    this.rules = rules;
    this.writesW3cAlone = rules.ways.length === 1 && rules.ways[0]!.word === 'W3C';
    this.begun = new Rate(rules.maxPerSecond);
    this.failures = new Rate(rules.maxPerSecond);
  }

  read(headers: TraceHeaders): Propagated | undefined {
    return readPropagated(headers, this.rules.ways);
  }

  /** The span of this hop, under the parent that came or at the root of a new trace. */
  start(came: Propagated | undefined, ids: RandomIds, nowMs: number): SpanContext {
    const parent = came?.parent;
    const traceId = parent?.traceId ?? ids.traceId();
    return {
      traceId,
      spanId: ids.spanId(),
      sampled: this.decide(came, parent, traceId, nowMs),
      state: parent?.state ?? '',
      parentSpanId: parent?.spanId ?? '',
    };
  }

  /**
   * The span of this hop at the root of a trace with this id, when nothing came; null when that is not sampled, as nearly all
   * are not: then nobody asks for more than the id.
   */
  startRoot(traceId: string, ids: RandomIds, nowMs: number): SpanContext | null {
    if (!this.decide(undefined, undefined, traceId, nowMs)) return null;
    return { traceId, spanId: ids.spanId(), sampled: true, state: '', parentSpanId: '' };
  }

  /** Whether a request that failed is to be seen though nobody sampled it. */
  keepsFailure(nowMs: number): boolean {
    return this.rules.keepsErrors && this.failures.take(nowMs);
  }

  private decide(
    came: Propagated | undefined,
    parent: TraceContext | undefined,
    traceId: string,
    nowMs: number,
  ): boolean {
    const { sampledPerMillion, parentBased } = this.rules;
    if (parentBased && came?.sampled !== undefined) return came.sampled;
    if (sampledPerMillion <= 0 || !isSampledId(traceId, sampledPerMillion)) return false;
    // What began elsewhere was counted there.
    return parent !== undefined || this.begun.take(nowMs);
  }
}

/** So many a second, evenly but for one second's worth at once. */
class Rate {
  private readonly perSecond: number;
  private left: number;
  private atMs: number;

  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.left = perSecond;
    this.atMs = Number.NEGATIVE_INFINITY;
  }

  take(nowMs: number): boolean {
    if (this.perSecond === 0) return true;
    const gained = ((nowMs - this.atMs) / 1_000) * this.perSecond;
    this.left = Math.min(this.perSecond, this.left + gained);
    this.atMs = nowMs;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}
