/** What a proxy's `/stats` says, as far as the demo shows it. */
export interface SidecarStats {
  /** SPIFFE ID of its leaf. */
  readonly identity: string;
  readonly version: string;
  /** Empty when ready. */
  readonly ready: string;
  readonly control: { readonly state: string; readonly sinceMs: number };
  readonly certificateNotAfterMs: number;
  readonly connections: number;
  readonly destinations: readonly DestinationStats[];
}

export interface DestinationStats {
  /** `namespace/service:port`. */
  readonly key: string;
  readonly breaker: { readonly state: 'off' | 'closed' | 'open' | 'half-open' };
  readonly panic: boolean;
  readonly endpoints: readonly EndpointStats[];
}

export interface EndpointStats {
  readonly key: string;
  readonly port: number;
  readonly state: 'healthy' | 'ejected' | 'probing' | 'unhealthy' | 'slow-start';
  readonly latencyMs: number;
}

/** A histogram's buckets, summed over the series whose labels have all these values: upper bounds in seconds, rising. */
export function readBuckets(
  text: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): ReadonlyMap<number, number> {
  const buckets = new Map<number, number>();
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}_bucket{`) || !carries(line, labels)) continue;
    const bound = /[{,]le="([^"]+)"/.exec(line)?.[1];
    if (bound === undefined) continue;
    const upper = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound);
    buckets.set(upper, (buckets.get(upper) ?? 0) + valueOf(line));
  }
  return buckets;
}

/** Sum of a counter's samples whose labels have all these values. Metrics text as Prometheus and OpenMetrics write it. */
export function sumMetric(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${name}{`)) continue;
    if (carries(line, labels)) sum += valueOf(line);
  }
  return sum;
}

function carries(line: string, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`));
}

function valueOf(line: string): number {
  return Number(
    line
      .slice(line.lastIndexOf('}') + 1)
      .trim()
      .split(' ')[0],
  );
}
