/** The few statistics the benches need. Nothing here rounds: that is for whoever prints. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** NaN when there is nothing. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Ratios of what was measured in the same round, so that a machine that is slow for a while is slow for both. Rounds that
 * one side lacks are left out.
 */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  const result: number[] = [];
  for (let round = 0; round < Math.min(ours.length, theirs.length); round += 1) {
    const ratio = ours[round]! / theirs[round]!;
    if (Number.isFinite(ratio)) result.push(ratio);
  }
  return result;
}

/**
 * Between which values the median of all that could have been measured lies with 95 %, whatever their distribution: by the
 * ranks of a fair coin. All of them below six values, which is then less than 95 %.
 */
export function medianInterval(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((left, right) => left - right);
  const rank = Math.max(0, Math.floor(sorted.length / 2 - 0.98 * Math.sqrt(sorted.length)));
  return [sorted[rank] ?? Number.NaN, sorted[sorted.length - 1 - rank] ?? Number.NaN];
}

/** Nearest rank: the smallest value that at least `share` (0 to 1) of the values do not exceed. NaN when there is nothing. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

export interface Slope {
  /** Units of y for each unit of x. */
  readonly perUnit: number;
  /** Half the width of the 95 % interval; infinite below three points. */
  readonly halfInterval: number;
}

/** Least squares, with the interval of the slope by Student's t. */
export function slope(points: readonly { readonly x: number; readonly y: number }[]): Slope {
  const count = points.length;
  const meanX = points.reduce((sum, point) => sum + point.x, 0) / count;
  const meanY = points.reduce((sum, point) => sum + point.y, 0) / count;
  let squares = 0;
  let products = 0;
  for (const { x, y } of points) {
    squares += (x - meanX) ** 2;
    products += (x - meanX) * (y - meanY);
  }
  const perUnit = products / squares;
  if (count < 3) return { perUnit, halfInterval: Number.POSITIVE_INFINITY };
  let rest = 0;
  for (const { x, y } of points) rest += (y - meanY - perUnit * (x - meanX)) ** 2;
  const freedom = count - 2;
  return { perUnit, halfInterval: studentT95(freedom) * Math.sqrt(rest / freedom / squares) };
}

/** Two-sided 95 % quantile; the expansion is within 1 % from three degrees of freedom on. */
function studentT95(freedom: number): number {
  if (freedom === 1) return 12.706;
  if (freedom === 2) return 4.303;
  const z = 1.959964;
  const first = (z ** 3 + z) / (4 * freedom);
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3);
  return z + first + second + third;
}
