/** One line of the result: what was measured, beside whom, and whether it is good enough. */
import { median, ratios, spread } from './statistics.ts';
import type { Spread } from './statistics.ts';

/** `other` is Weft again, started with other options of V8. */
export const peerNames = ['haproxy', 'nginx', 'envoy', 'nghttpx', 'node', 'other'] as const;
export type PeerName = (typeof peerNames)[number];
export type SubjectName = 'weft' | PeerName;

/**
 * What a figure is held to. A `ratio` is weft's value over the peer's, of the same rounds; a `difference` is weft's value
 * less the peer's; a `value` is weft's alone. Of several peers the better one counts. Smaller is better everywhere.
 */
export interface Limit {
  readonly kind: 'ratio' | 'difference' | 'value';
  /** Empty for `value`. */
  readonly against: readonly PeerName[];
  readonly must: number;
  readonly goal: number;
}

/** What a measure hands over: one number per subject and round, in the order of the rounds. */
export interface Taken {
  readonly name: string;
  readonly unit: string;
  readonly rounds: Partial<Record<SubjectName, readonly number[]>>;
  /** Where the value is not the median of the rounds: a percentile of all of them pooled. */
  readonly pooled?: Partial<Record<SubjectName, number>>;
  readonly limits: readonly Limit[];
  /** Peers, or tools, that this machine lacks. */
  readonly absent: readonly string[];
  /** For people: what else was seen. Not part of the JSON. */
  readonly notes: readonly string[];
}

/** The JSON form. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly values: Partial<Record<SubjectName, number>>;
  readonly ratios: Partial<Record<PeerName, Spread>>;
  /** Keyed by the peers it is against, joined by commas, or `weft` for a value of its own: `{"haproxy,nginx": "1.9x"}`. */
  readonly must: Readonly<Record<string, string>>;
  readonly goal: Readonly<Record<string, string>>;
  /** `no` also when weft or every peer a limit needs is absent: what was not shown is not met. */
  readonly met: 'goal' | 'must' | 'no';
  readonly absent: readonly string[];
}

export function figureOf(taken: Taken): Figure {
  const values: Partial<Record<SubjectName, number>> = {};
  const found: Partial<Record<PeerName, Spread>> = {};
  for (const name of ['weft', ...peerNames] as const) {
    const rounds = taken.rounds[name];
    if (rounds === undefined || rounds.length === 0) continue;
    values[name] = rounded(taken.pooled?.[name] ?? median(rounds));
    if (name === 'weft' || taken.rounds.weft === undefined) continue;
    const each = ratios(taken.rounds.weft, rounds);
    if (each.length === 0) continue;
    const { median: middle, min, max } = spread(each);
    found[name] = { median: rounded(middle), min: rounded(min), max: rounded(max) };
  }
  return {
    name: taken.name,
    unit: taken.unit,
    values,
    ratios: found,
    must: Object.fromEntries(taken.limits.map((limit) => [keyOf(limit), textOf(limit, limit.must, taken.unit)])),
    goal: Object.fromEntries(taken.limits.map((limit) => [keyOf(limit), textOf(limit, limit.goal, taken.unit)])),
    met: judge(taken.limits, values, found),
    absent: taken.absent,
  };
}

function judge(limits: readonly Limit[], values: Figure['values'], found: Figure['ratios']): 'goal' | 'must' | 'no' {
  let judged = 0;
  let met: 'goal' | 'must' | 'no' = 'goal';
  for (const limit of limits) {
    const actual = actualOf(limit, values, found);
    if (actual === undefined) continue;
    judged += 1;
    if (actual <= limit.goal) continue;
    if (actual <= limit.must) met = met === 'goal' ? 'must' : met;
    else met = 'no';
  }
  return judged === 0 ? 'no' : met;
}

/** Undefined when a side is missing. */
function actualOf(limit: Limit, values: Figure['values'], found: Figure['ratios']): number | undefined {
  const ours = values.weft;
  if (ours === undefined || limit.kind === 'value') return ours;
  let better: PeerName | undefined;
  for (const peer of limit.against) {
    const value = values[peer];
    if (value !== undefined && (better === undefined || value < values[better]!)) better = peer;
  }
  if (better === undefined) return undefined;
  return limit.kind === 'difference' ? ours - values[better]! : found[better]?.median;
}

function keyOf(limit: Limit): string {
  return limit.kind === 'value' ? 'weft' : limit.against.join(',');
}

function textOf(limit: Limit, bound: number, unit: string): string {
  if (limit.kind === 'ratio') return `${bound}x`;
  return limit.kind === 'value' ? `${bound} ${unit}` : `+${bound} ${unit}`;
}

/** Three digits are more than a noisy machine knows; four keep ratios of small numbers honest. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
