import type { LoadCounts } from '../load-generator.ts';

/** One promise: what it says and what is expected. */
export interface Fact {
  readonly name: string;
  readonly expected: string;
}

export interface Finding {
  readonly ok: boolean;
  readonly measured: string;
}

/** One experiment; it settles one or more facts. */
export interface Trial<Mesh> {
  readonly facts: readonly Fact[];
  /** Findings in the order of `facts`. Rejects when it could not be measured, which counts as failed for all of them. */
  run(mesh: Mesh): Promise<readonly Finding[]>;
}

/** `97.3 %`. */
export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`;
}

export function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** What went wrong, most frequent first; empty when nothing did. */
export function describeFailures({ errors, refused }: Pick<LoadCounts, 'errors' | 'refused'>): string {
  const refusals = Object.entries(refused).map(([reason, count]): [string, number] => [
    `weft-refused: ${reason}`,
    count,
  ]);
  const worst = [...Object.entries(errors), ...refusals].sort(([, a], [, b]) => b - a);
  if (worst.length === 0) return '';
  const texts = worst.slice(0, 3).map(([what, count]) => `${count} x ${what}`);
  return ` (${texts.join(', ')})`;
}
