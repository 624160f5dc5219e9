import type { Shop } from '../shop.ts';
import { delay } from '../wait-until.ts';
import { describeFailures, percent } from './fact.ts';
import type { Trial } from './fact.ts';
import { InstanceShares } from './instance-shares.ts';

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
    const proxyPort = shop.instance('orders-v1').sidecar.spec.outboundPort;
    await shop.load.start('slow', { proxyPort, url: 'http://stock/stock', rate: 200 });
    const before = await InstanceShares.during(shop.stock, BASELINE_MS);
    const slow = before.busiest;
    let after: InstanceShares;
    try {
      await slow.service.set({ delayMs: SLOWER_MS });
      await delay(REACTION_MS);
      after = await InstanceShares.during(shop.stock, WINDOW_MS);
    } finally {
      await slow.service.set({ delayMs: 0 });
    }
    const seen = await shop.load.finish('slow');
    const lost = 1 - after.of(slow) / before.of(slow);
    const shares = `${percent(before.of(slow))} before, ${percent(after.of(slow))} after`;
    return [
      {
        ok: lost >= 0.8,
        measured: `${slow.name}: ${shares}, lost ${percent(lost)}; ${seen.failed} failed${describeFailures(seen)}`,
      },
    ];
  },
};
