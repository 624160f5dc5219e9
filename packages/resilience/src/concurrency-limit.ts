import { assert } from '@weft/kernel';

/** Requests at the same time. The caller asks `full` before `acquire`, so a lowered limit cuts nothing that runs. */
export class ConcurrencyLimit {
  private limit: number;
  private used: number;

  /** 0 is no limit. */
  constructor(limit: number) {
    this.limit = limit;
    this.used = 0;
  }

  get inUse(): number {
    return this.used;
  }

  get full(): boolean {
    return this.limit > 0 && this.used >= this.limit;
  }

  update(limit: number): void {
    this.limit = limit;
  }

  acquire(): void {
    this.used += 1;
  }

  release(): void {
    assert(this.used > 0, 'a request was ended more often than it was started');
    this.used -= 1;
  }
}
