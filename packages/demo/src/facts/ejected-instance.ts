import type { Shop } from '../shop.ts';
import { delay } from '../wait-until.ts';
import { describeFailures, percent } from './fact.ts';
import type { Trial } from './fact.ts';
import { InstanceShares } from './instance-shares.ts';

const RATE = 200;
const HEALTHY_MS = 1_500;
const BROKEN_MS = 7_000;

/** One of three instances answers 503: the caller must hardly notice, and retries must not multiply the load. */
export const ejectedInstance: Trial<Shop> = {
  facts: [
    { name: 'an instance answering 503 is ejected; callers succeed', expected: 'ejected; at least 99.9 % success' },
    { name: 'the retry budget holds at 200 req/s', expected: 'attempts at most 1.2 x offered' },
  ],
  async run(shop) {
    const caller = shop.instance('web').sidecar;
    const attempts = async (): Promise<number> => {
      const counts = await Promise.all(shop.stock.map(({ service }) => service.counts()));
      return counts.reduce((sum, { requests }) => sum + requests, 0);
    };
    const before = await attempts();
    let ejected = false;
    await shop.load.start('eject', { proxyPort: caller.spec.outboundPort, url: 'http://stock/stock', rate: RATE });
    const { busiest: broken } = await InstanceShares.during(shop.stock, HEALTHY_MS);
    let reachedBroken = 0;
    try {
      reachedBroken = (await broken.service.set({ status: 503 })).requests;
      const untilMs = performance.now() + BROKEN_MS;
      while (performance.now() < untilMs) {
        const { destinations } = await caller.stats();
        const endpoints = destinations.find(({ key }) => key === 'shop/stock:80')?.endpoints ?? [];
        ejected ||= endpoints.some(({ port, state }) => port === broken.sidecar.inboundPort && state === 'ejected');
        await delay(100);
      }
      reachedBroken = (await broken.service.counts()).requests - reachedBroken;
    } finally {
      await broken.service.set({ status: 0 });
    }
    const seen = await shop.load.finish('eject');
    const made = (await attempts()) - before;
    const success = seen.ok / seen.sent;
    const ratio = made / seen.sent;
    return [
      {
        ok: ejected && success >= 0.999,
        measured: `${broken.name} ${ejected ? 'ejected' : 'not ejected'}, ${reachedBroken} requests reached it; ${percent(success, 2)} of ${seen.sent} succeeded${describeFailures(seen)}`,
      },
      { ok: ratio <= 1.2, measured: `${made} attempts for ${seen.sent} requests: ${ratio.toFixed(3)} x` },
    ];
  },
};
