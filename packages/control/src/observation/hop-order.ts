import type { FoundHop, ProxyHop } from '@weft/wire';

/** Clocks of machines differ by about so much. */
const SKEW_MS = 50;

/**
 * Puts the hops of one trace in the order of cause and effect. A proxy of a caller and the proxy of its callee share the
 * request id; a proxy that took a request in and one that it sent while that lasted are cause and effect at the same proxy.
 * What has no cause here comes first, by time.
 */
export function orderHops(hops: readonly FoundHop[]): ProxyHop[] {
  const byStart = [...hops].sort((left, right) => left.hop.startedAtMs - right.hop.startedAtMs);
  const children = new Map<FoundHop | null, FoundHop[]>();
  for (const one of byStart) {
    const cause = causeOf(one, byStart);
    const siblings = children.get(cause);
    if (siblings === undefined) children.set(cause, [one]);
    else siblings.push(one);
  }
  const ordered: ProxyHop[] = [];
  const seen = new Set<FoundHop>();
  const visit = (one: FoundHop, depth: number): void => {
    if (seen.has(one)) return;
    seen.add(one);
    const { proxy, workload, hop } = one;
    ordered.push({ proxy, workload, depth, hop });
    for (const effect of children.get(one) ?? []) visit(effect, depth + 1);
  };
  for (const one of children.get(null) ?? []) visit(one, 0);
  // Clocks that differ could make a circle of a loop; nothing of it is lost.
  for (const one of byStart) visit(one, 0);
  return ordered;
}

function causeOf(one: FoundHop, all: readonly FoundHop[]): FoundHop | null {
  let cause: FoundHop | null = null;
  for (const other of all) {
    if (other === one || !mayCause(other, one)) continue;
    // The last that began before it is the nearest.
    if (cause === null || other.hop.startedAtMs >= cause.hop.startedAtMs) cause = other;
  }
  return cause;
}

/** Never both ways: an outbound hop causes inbound ones elsewhere, an inbound one outbound ones of the same proxy. */
function mayCause(cause: FoundHop, effect: FoundHop): boolean {
  if (cause.hop.direction === effect.hop.direction) return false;
  const skewMs = cause.proxy === effect.proxy ? 1 : SKEW_MS;
  const startMs = cause.hop.startedAtMs - skewMs;
  const endMs = cause.hop.startedAtMs + cause.hop.durationMs + skewMs;
  if (effect.hop.startedAtMs < startMs || effect.hop.startedAtMs > endMs) return false;
  if (cause.hop.direction === 'Outbound') {
    return cause.hop.requestId === effect.hop.requestId && reaches(cause, effect);
  }
  // Cycles are impossible: an inbound hop that a later outbound one of the same proxy caused began after that.
  return cause.proxy === effect.proxy && cause.hop.startedAtMs <= effect.hop.startedAtMs;
}

/** A try went to this proxy: by its address, or, where addresses are those of pods, by who was met at both ends. */
function reaches(cause: FoundHop, effect: FoundHop): boolean {
  if (cause.hop.attempts.some(({ address }) => effect.addresses.includes(address))) return true;
  if (effect.addresses.length > 0) return false;
  return cause.hop.upstreamIdentity === effect.identity && effect.hop.source === cause.identity;
}
