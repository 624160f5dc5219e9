import { assert } from '@weft/kernel';

/**
 * Draws an index with a probability proportional to its weight in constant time: Walker's alias method, built as by
 * Vose, "A linear algorithm for generating random numbers with a given distribution" (1991). Immutable.
 */
export class WeightedDraw {
  /** True when no weight differs from another: then a plain index will do. */
  readonly equal: boolean;
  /** Weight over the mean weight, by index. */
  readonly relativeWeights: Float64Array;
  /** 1 when all are 0. */
  readonly meanWeight: number;
  private readonly size: number;
  private readonly kept: Float64Array;
  private readonly alias: Int32Array;

  /** Weights are finite and at least 0. When all are 0, all count the same. */
  constructor(weights: readonly number[]) {
    const size = weights.length;
    let sum = 0;
    for (const weight of weights) {
      assert(weight >= 0 && Number.isFinite(weight), 'a weight is a finite number of at least 0');
      sum += weight;
    }
    this.size = size;
    this.relativeWeights = new Float64Array(size);
    const mean = sum === 0 ? 1 : sum / size;
    this.meanWeight = mean;
    let equal = true;
    for (let index = 0; index < size; index += 1) {
      const relative = sum === 0 ? 1 : weights[index]! / mean;
      this.relativeWeights[index] = relative;
      if (relative !== this.relativeWeights[0]) equal = false;
    }
    this.equal = equal;
    this.kept = new Float64Array(equal ? 0 : size);
    this.alias = new Int32Array(equal ? 0 : size);
    if (!equal) this.fill();
  }

  /** `uniform` is in [0, 1). The set must not be empty. */
  draw(uniform: number): number {
    const place = uniform * this.size;
    const index = Math.trunc(place);
    if (this.equal) return index;
    return place - index < this.kept[index]! ? index : this.alias[index]!;
  }

  private fill(): void {
    const left = Float64Array.from(this.relativeWeights);
    const small: number[] = [];
    const large: number[] = [];
    for (let index = 0; index < this.size; index += 1) (left[index]! < 1 ? small : large).push(index);
    while (small.length > 0 && large.length > 0) {
      const less = small.pop()!;
      const more = large.pop()!;
      this.kept[less] = left[less]!;
      this.alias[less] = more;
      left[more] = left[more]! + left[less]! - 1;
      (left[more]! < 1 ? small : large).push(more);
    }
    // What is left on either side differs from 1 by rounding only.
    for (const index of small) this.kept[index] = 1;
    for (const index of large) this.kept[index] = 1;
  }
}
