import type { Clock, TimerWheel } from '@weft/kernel';
import type { TerminationCode } from '@weft/outcome';
import type { Hop, RequestMemory, RingReach, Tap, Tapped } from '@weft/wire';
import type { ExchangeFacts } from '../exchange/exchange-facts.ts';
import { DecisionRing, type KeptRecord } from './decision-ring.ts';
import { type Carriage, type EdgeCount, EdgeTable, carriages } from './edge-counters.ts';
import { ExplanationBudget, writeHop } from './hop-writer.ts';
import { RequestTaps } from './request-taps.ts';
import { TraceGate } from './trace-gate.ts';

/** Records of one process: half for errors and retries, half for the sample. */
const RECORDS = 10_000;
const MOST_HOPS = 32;

export interface RequestWatchOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Threads that share the records of a process. */
  readonly threads: number;
  /** Of the tables in force now, for what leaves and what arrives. */
  readonly version: (inbound: boolean) => string;
  readonly onTapped: (tapped: Tapped) => void;
}

/**
 * What is remembered and told of single requests: counts of each edge, the last decisions, and what somebody taps. Errors and
 * retried requests are all kept; of the others a sample of whole traces.
 */
export class RequestWatch {
  readonly edges: EdgeTable;
  private readonly options: RequestWatchOptions;
  private readonly errors: DecisionRing;
  private readonly samples: DecisionRing;
  private readonly gate: TraceGate;
  private readonly taps: RequestTaps;

  constructor(options: RequestWatchOptions) {
    const { wheel, threads, onTapped } = options;
    const half = Math.max(64, Math.floor(RECORDS / 2 / threads));
    this.options = options;
    this.edges = new EdgeTable();
    this.errors = new DecisionRing(half);
    this.samples = new DecisionRing(half);
    this.gate = new TraceGate();
    this.taps = new RequestTaps(wheel, threads, onTapped);
  }

  /** `failed`: by a server or by the mesh. `edge`: where it is counted. */
  ended(exchange: ExchangeFacts, code: TerminationCode, detail: string, failed: boolean, edge: EdgeCount): void {
    const { durationMs, attempts } = exchange;
    const carriage = carriageOf(exchange);
    const retries = attempts > 1 ? attempts - 1 : 0;
    edge.add(failed, retries, carriage, durationMs, exchange.requestBytes, exchange.responseBytes);
    const nowMs = exchange.startMs + durationMs;
    if (failed || code !== 'completed') this.keep(this.errors, exchange, code, detail, 'error', nowMs);
    else if (retries > 0 || exchange.budgetSpent) this.keep(this.errors, exchange, code, detail, 'retried', nowMs);
    else if (this.gate.keeps(exchange.traceId, nowMs)) {
      this.keep(this.samples, exchange, code, detail, 'sample', nowMs);
    }
    if (this.taps.isOpen) {
      const secured = carriage === carriages.secured;
      this.taps.offer(exchange, code, edge.name.peer, secured, this.options.clock.wallMs());
    }
  }

  /** What is remembered of a trace or request id. */
  find(id: string): RequestMemory {
    const nowMs = this.options.clock.nowMs();
    const records: KeptRecord[] = [...this.errors.find(id), ...this.samples.find(id)];
    const budget = new ExplanationBudget();
    const hops: Hop[] = records
      .slice(-MOST_HOPS)
      .map((record) => writeHop(record, this.options.version(record.inbound), nowMs, budget));
    return { hops, reach: this.reach };
  }

  tap(tap: Tap): void {
    this.taps.take(tap);
  }

  closeTaps(): void {
    this.taps.closeAll();
  }

  private get reach(): RingReach {
    return {
      records: this.errors.length + this.samples.length,
      samplesSinceMs: this.samples.sinceMs,
      errorsSinceMs: this.errors.sinceMs,
      sampledOneIn: this.gate.oneIn,
      rings: 1,
    };
  }

  private keep(
    ring: DecisionRing,
    exchange: ExchangeFacts,
    code: TerminationCode,
    detail: string,
    kept: 'error' | 'retried' | 'sample',
    nowMs: number,
  ): void {
    const { clock } = this.options;
    // Since the loop has entered: what this thread has done for the request in this turn, its own response among it.
    const ownMs = Math.max(0, clock.nowMs() - nowMs);
    ring.put(exchange, code, detail, kept, ownMs, clock.wallMs());
  }
}

/** What leaves counts once it was sent over a connection; what arrives has come over one. */
function carriageOf({ ingress, endpoint, sentMs }: ExchangeFacts): Carriage {
  if (ingress.kind === 'inbound') return ingress.peerIdentity === '' ? carriages.plaintext : carriages.secured;
  if (endpoint === null || sentMs === 0) return carriages.none;
  return endpoint.endpoint.mesh ? carriages.secured : carriages.plaintext;
}

/** Joins what several threads remember. */
export function mergeMemories(memories: readonly RequestMemory[]): RequestMemory {
  const since = (read: (reach: RingReach) => number): number => {
    const known = memories.map(({ reach }) => read(reach)).filter((atMs) => atMs > 0);
    return known.length === 0 ? 0 : Math.max(...known);
  };
  return {
    hops: memories.flatMap(({ hops }) => hops),
    reach: {
      records: memories.reduce((sum, { reach }) => sum + reach.records, 0),
      // What all of them hold; some reach further back.
      samplesSinceMs: since(({ samplesSinceMs }) => samplesSinceMs),
      errorsSinceMs: since(({ errorsSinceMs }) => errorsSinceMs),
      sampledOneIn: Math.max(1, ...memories.map(({ reach }) => reach.sampledOneIn)),
      rings: memories.length,
    },
  };
}
