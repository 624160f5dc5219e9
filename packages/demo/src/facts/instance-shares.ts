import type { Instance } from '../shop.ts';
import { delay } from '../wait-until.ts';

/** Shares of the requests that reached some instances while somebody watched. */
export class InstanceShares {
  private readonly shares: ReadonlyMap<Instance, number>;

  private constructor(shares: ReadonlyMap<Instance, number>) {
    this.shares = shares;
  }

  /** Watches for `ms`, by what the instances count. */
  static async during(instances: readonly Instance[], ms: number): Promise<InstanceShares> {
    const count = (): Promise<number[]> =>
      Promise.all(instances.map(async ({ service }) => (await service.counts()).requests));
    const before = await count();
    await delay(ms);
    const added = (await count()).map((requests, index) => requests - before[index]!);
    const total = added.reduce((sum, each) => sum + each, 0);
    return new InstanceShares(new Map(instances.map((instance, i) => [instance, total === 0 ? 0 : added[i]! / total])));
  }

  /** 0..1 */
  of(instance: Instance): number {
    return this.shares.get(instance) ?? 0;
  }

  /** Balancing by latency has favourites: what is done to an idle instance proves nothing. */
  get busiest(): Instance {
    const [busiest] = [...this.shares].sort(([, a], [, b]) => b - a);
    return busiest![0];
  }
}
