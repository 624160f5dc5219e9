/** The newest bucket is still filling, so between 95 % and 100 % of the window is seen. */
const BUCKETS = 20;

/**
 * Two counters over the last so many milliseconds, in a ring of buckets: adding allocates nothing, and what is older than
 * the window is forgotten one bucket (a twentieth of it) at a time.
 */
export class RollingWindow {
  private windowMs: number;
  private bucketMs: number;
  private readonly all: Float64Array;
  private readonly marked: Float64Array;
  private allSum: number;
  private markedSum: number;
  /** The number of the newest bucket since time 0. */
  private newest: number;

  /** `windowMs` is above 0. */
  constructor(windowMs: number) {
    this.windowMs = windowMs;
    this.bucketMs = windowMs / BUCKETS;
    this.all = new Float64Array(BUCKETS);
    this.marked = new Float64Array(BUCKETS);
    this.allSum = 0;
    this.markedSum = 0;
    this.newest = 0;
  }

  /** Takes another length. What is counted now counts as of now, so that nothing is forgotten early. */
  resize(windowMs: number, nowMs: number): void {
    if (windowMs === this.windowMs) return;
    this.turn(nowMs);
    const all = this.allSum;
    const marked = this.markedSum;
    this.clear();
    this.windowMs = windowMs;
    this.bucketMs = windowMs / BUCKETS;
    this.newest = Math.floor(nowMs / this.bucketMs);
    this.add(nowMs, all, marked);
  }

  /** Adds to both counters. Time never goes back; a late `nowMs` counts in the newest bucket. */
  add(nowMs: number, all: number, marked: number): void {
    this.turn(nowMs);
    const index = this.newest % BUCKETS;
    this.all[index] = this.all[index]! + all;
    this.marked[index] = this.marked[index]! + marked;
    this.allSum += all;
    this.markedSum += marked;
  }

  total(nowMs: number): number {
    this.turn(nowMs);
    return this.allSum;
  }

  totalMarked(nowMs: number): number {
    this.turn(nowMs);
    return this.markedSum;
  }

  clear(): void {
    this.all.fill(0);
    this.marked.fill(0);
    this.allSum = 0;
    this.markedSum = 0;
  }

  private turn(nowMs: number): void {
    const bucket = Math.floor(nowMs / this.bucketMs);
    if (bucket <= this.newest) return;
    if (bucket - this.newest >= BUCKETS) {
      this.clear();
    } else {
      for (let number = this.newest + 1; number <= bucket; number += 1) {
        const index = number % BUCKETS;
        this.allSum -= this.all[index]!;
        this.markedSum -= this.marked[index]!;
        this.all[index] = 0;
        this.marked[index] = 0;
      }
    }
    this.newest = bucket;
  }
}
