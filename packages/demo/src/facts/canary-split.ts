import type { Shop } from '../shop.ts';
import { percent } from './fact.ts';
import { describeFailures } from './fact.ts';
import type { Trial } from './fact.ts';

const REQUESTS = 2_000;

/** The weights of a route, as the services behind it count them. */
export const canarySplit: Trial<Shop> = {
  facts: [{ name: 'an 80/20 split over 2,000 requests', expected: 'v2 gets 17 % to 23 %; 0 failed' }],
  async run(shop) {
    const [v1, v2] = [shop.instance('orders-v1').service, shop.instance('orders-v2').service];
    const before = await Promise.all([v1.counts(), v2.counts()]);
    const proxyPort = shop.instance('web').sidecar.spec.outboundPort;
    await shop.load.start('split', { proxyPort, url: 'http://orders/version', rate: 600, limit: REQUESTS });
    const seen = await shop.load.finish('split');
    const after = await Promise.all([v1.counts(), v2.counts()]);
    const first = after[0].requests - before[0].requests;
    const second = after[1].requests - before[1].requests;
    const share = second / (first + second);
    return [
      {
        ok: Math.abs(share - 0.2) <= 0.03 && first + second === REQUESTS && seen.failed === 0,
        measured: `v1 ${first}, v2 ${second} (${percent(share)}); ${seen.failed} failed${describeFailures(seen)}`,
      },
    ];
  },
};
