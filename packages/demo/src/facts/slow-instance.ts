import type { Instance } from '../shop.ts';
import { delay } from '../wait-until.ts';
import type { Shop } from '../shop.ts';
import { describeFailures, percent } from './fact.ts';
import type { Trial } from './fact.ts';

const BASELINE_MS = 2_000;
const SLOWER_MS = 100;
const REACTION_MS = 5_000;
const WINDOW_MS = 2_000;

/** Balancing by latency: the share is counted in the instances, before and from 5 s after one of them became slow. */
export const slowInstance: Trial<Shop> = {
  facts: [
    {
      name: 'an instance made 100 ms slower loses its share within 5 s',
      expected: 'at least 80 % of the share lost',
    },
  ],
  async run(shop) {
    const slow = shop.instance('stock-1');
    const proxyPort = shop.instance('orders-v1').sidecar.spec.outboundPort;
    await shop.load.start('slow', { proxyPort, url: 'http://stock/stock', rate: 200 });
    try {
      const before = await shareDuring(shop.stock, slow.name, BASELINE_MS);
      await slow.service.set({ delayMs: SLOWER_MS });
      await delay(REACTION_MS);
      const after = await shareDuring(shop.stock, slow.name, WINDOW_MS);
      const lost = 1 - after / before;
      const seen = await shop.load.read('slow');
      return [
        {
          ok: lost >= 0.8 && before > 0.1,
          measured: `${percent(before)} before, ${percent(after)} after: lost ${percent(lost)}; ${seen.failed} failed${describeFailures(seen)}`,
        },
      ];
    } finally {
      await slow.service.set({ delayMs: 0 });
      await shop.load.finish('slow');
    }
  },
};

async function shareDuring(instances: readonly Instance[], one: string, ms: number): Promise<number> {
  const count = (): Promise<number[]> =>
    Promise.all(instances.map(async ({ service }) => (await service.counts()).requests));
  const before = await count();
  await delay(ms);
  const added = (await count()).map((requests, index) => requests - before[index]!);
  return added[instances.findIndex(({ name }) => name === one)]! / added.reduce((sum, each) => sum + each, 0);
}
