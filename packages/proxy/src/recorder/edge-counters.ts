import { latencyBoundsSeconds, latencyBucket } from '@weft/telemetry';
import { type EdgeCounters, MAX_EDGES, type TrafficDirection } from '@weft/wire';

// Cells of an edge.
const REQUESTS = 0;
const FAILURES = 1;
const RETRIES = 2;
const SECURED = 3;
const PLAINTEXT = 4;
const REQUEST_BYTES = 5;
const RESPONSE_BYTES = 6;
const LATENCIES = 7;
const CELLS = LATENCIES + latencyBoundsSeconds.length + 1;

/** How a request or connection travelled. `None`: it never had a connection, and says nothing of plaintext. */
export type Carriage = 0 | 1 | 2;
export const carriages = { none: 0, secured: 1, plaintext: 2 } as const;

/** What an edge is called. All of it comes from configuration or a verified certificate. */
export interface EdgeName {
  readonly direction: TrafficDirection;
  /** Outbound: the service called, `namespace/name`. Inbound: `namespace/service-account` of the caller, or `unknown`. */
  readonly peer: string;
  readonly route: string;
  readonly rule: string;
  readonly tcp: boolean;
}

/** Counts one edge since it was last read. Kept by whoever counts, so that a request costs additions only. */
export class EdgeCount {
  readonly name: EdgeName;
  readonly cells: Float64Array;

  constructor(name: EdgeName) {
    this.name = name;
    this.cells = new Float64Array(CELLS);
  }

  /** A request, or a TCP connection, has ended. */
  add(
    failed: boolean,
    retries: number,
    carriage: Carriage,
    durationMs: number,
    requestBytes: number,
    responseBytes: number,
  ): void {
    const { cells } = this;
    cells[REQUESTS]! += 1;
    if (failed) cells[FAILURES]! += 1;
    if (retries > 0) cells[RETRIES]! += retries;
    if (carriage === carriages.secured) cells[SECURED]! += 1;
    else if (carriage === carriages.plaintext) cells[PLAINTEXT]! += 1;
    cells[REQUEST_BYTES]! += requestBytes;
    cells[RESPONSE_BYTES]! += responseBytes;
    cells[LATENCIES + latencyBucket(durationMs)]! += 1;
  }

  /** A TCP connection: how long it lasts says nothing. */
  addConnection(retries: number, carriage: Carriage): void {
    const { cells } = this;
    cells[REQUESTS]! += 1;
    cells[RETRIES]! += retries;
    if (carriage === carriages.secured) cells[SECURED]! += 1;
    else if (carriage === carriages.plaintext) cells[PLAINTEXT]! += 1;
  }

  /** A TCP connection that was counted ended by a fault. */
  fail(): void {
    this.cells[FAILURES]! += 1;
  }

  move(requestBytes: number, responseBytes: number): void {
    this.cells[REQUEST_BYTES]! += requestBytes;
    this.cells[RESPONSE_BYTES]! += responseBytes;
  }
}

/** The edges of one thread. */
export class EdgeTable {
  private readonly edges: Map<string, EdgeCount>;
  private folded: number;

  constructor() {
    this.edges = new Map();
    this.folded = 0;
  }

  /** The same object each time. Beyond 2,000 edges all others are one, `other`. */
  edge(name: EdgeName): EdgeCount {
    const key = keyOf(name);
    const known = this.edges.get(key);
    if (known !== undefined) return known;
    if (this.edges.size >= MAX_EDGES - 2 && name.peer !== OTHER) {
      this.folded += 1;
      return this.edge({ direction: name.direction, peer: OTHER, route: '', rule: '', tcp: false });
    }
    const edge = new EdgeCount(name);
    this.edges.set(key, edge);
    return edge;
  }

  /** What was counted since the last call. */
  take(): EdgeReading {
    const edges: EdgeCounters[] = [];
    for (const { name, cells } of this.edges.values()) {
      if (cells[REQUESTS] === 0 && cells[REQUEST_BYTES] === 0 && cells[RESPONSE_BYTES] === 0) continue;
      edges.push({
        ...name,
        requests: cells[REQUESTS]!,
        failures: cells[FAILURES]!,
        retries: cells[RETRIES]!,
        secured: cells[SECURED]!,
        plaintext: cells[PLAINTEXT]!,
        requestBytes: cells[REQUEST_BYTES]!,
        responseBytes: cells[RESPONSE_BYTES]!,
        latencies: name.tcp ? [] : [...cells.subarray(LATENCIES)],
      });
      cells.fill(0);
    }
    const { folded } = this;
    this.folded = 0;
    return { edges, folded };
  }
}

export interface EdgeReading {
  readonly edges: readonly EdgeCounters[];
  readonly folded: number;
}

/** Adds the readings of several threads. */
export function mergeEdges(readings: readonly EdgeReading[]): EdgeReading {
  if (readings.length === 1) return readings[0]!;
  const merged = new Map<string, EdgeCounters>();
  let folded = 0;
  for (const reading of readings) {
    folded += reading.folded;
    for (const edge of reading.edges) {
      const key = keyOf(edge);
      const known = merged.get(key);
      if (known === undefined && merged.size < MAX_EDGES) merged.set(key, edge);
      else if (known !== undefined) merged.set(key, added(known, edge));
      else folded += 1;
    }
  }
  return { edges: [...merged.values()], folded };
}

const OTHER = 'other';

function keyOf({ direction, peer, route, rule, tcp }: EdgeName): string {
  return `${direction} ${tcp ? 'tcp' : 'http'} ${peer} ${route} ${rule}`;
}

function added(left: EdgeCounters, right: EdgeCounters): EdgeCounters {
  return {
    ...left,
    requests: left.requests + right.requests,
    failures: left.failures + right.failures,
    retries: left.retries + right.retries,
    secured: left.secured + right.secured,
    plaintext: left.plaintext + right.plaintext,
    requestBytes: left.requestBytes + right.requestBytes,
    responseBytes: left.responseBytes + right.responseBytes,
    latencies: left.latencies.map((count, index) => count + (right.latencies[index] ?? 0)),
  };
}
