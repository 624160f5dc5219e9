import type { Hop, ProxyHop, TimeSpent } from '@weft/wire';

export interface Segment {
  readonly name: string;
  /** Class of its colour. */
  readonly kind: 'decide' | 'earlier' | 'backoff' | 'connect' | 'tls' | 'upstream' | 'response';
  /** After the start of the trace. */
  readonly startMs: number;
  readonly durationMs: number;
}

export interface Bar {
  readonly hop: ProxyHop;
  readonly startMs: number;
  readonly durationMs: number;
  readonly segments: readonly Segment[];
}

export interface Waterfall {
  readonly totalMs: number;
  readonly bars: readonly Bar[];
}

/** Bars over one axis of time, in the order of the hops. Clocks of machines differ a little, and bars with them. */
export function waterfallOf(hops: readonly ProxyHop[]): Waterfall {
  const firstMs = Math.min(...hops.map(({ hop }) => hop.startedAtMs));
  const lastMs = Math.max(...hops.map(({ hop }) => hop.startedAtMs + Math.max(0, hop.durationMs)));
  return {
    totalMs: hops.length === 0 ? 0 : Math.max(0.001, lastMs - firstMs),
    bars: hops.map((one) => {
      const startMs = one.hop.startedAtMs - firstMs;
      const durationMs = Math.max(0, one.hop.durationMs);
      return { hop: one, startMs, durationMs, segments: segmentsOf(one.hop, startMs) };
    }),
  };
}

/** What of a request's time was spent on what, one after the other. Parts that did not happen are left out. */
function segmentsOf({ spent, durationMs }: Hop, startMs: number): Segment[] {
  const segments: Segment[] = [];
  let atMs = startMs;
  const endMs = startMs + Math.max(0, durationMs);
  for (const [kind, name, givenMs] of partsOf(spent)) {
    const partMs = Math.min(givenMs, endMs - atMs);
    if (partMs <= 0) continue;
    segments.push({ kind, name, startMs: atMs, durationMs: partMs });
    atMs += partMs;
  }
  return segments;
}

function partsOf(spent: TimeSpent): [Segment['kind'], string, number][] {
  const tlsMs = Math.max(0, spent.tlsMs);
  return [
    ['decide', 'until the first try', spent.decideMs],
    ['earlier', 'tries that failed', spent.earlierMs],
    ['backoff', 'waiting between tries', spent.backoffMs],
    ['connect', 'connecting', Math.max(0, spent.connectMs) - tlsMs],
    ['tls', 'TLS handshake', tlsMs],
    ['upstream', 'waiting for the response', spent.upstreamMs],
    ['response', 'receiving the response', spent.responseMs],
  ];
}
