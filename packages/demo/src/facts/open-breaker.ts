import type { ServiceCounts } from '../service-process.ts';
import type { Shop } from '../shop.ts';
import { delay } from '../wait-until.ts';
import { milliseconds } from './fact.ts';
import type { Trial } from './fact.ts';

const RATE = 200;
/** Not of the slowest hundredth: on a machine that is busy with other things, it measures those. */
const LONGEST_REFUSAL_MS = 5;
/** Single requests that find out whether an instance is well again. */
const PROBES = 10;
const BROKEN_MS = 3_500;

/** Every instance fails: the caller is told at once, and why, and the instances are left alone. */
export const openBreaker: Trial<Shop> = {
  facts: [
    {
      name: 'every instance failing: the breaker opens and refuses at once',
      expected: `refusals with weft-refused: circuit-open; 95 of 100 under ${LONGEST_REFUSAL_MS} ms`,
    },
  ],
  async run(shop) {
    const caller = shop.instance('cart').sidecar;
    const set = (status: number): Promise<ServiceCounts[]> =>
      Promise.all(shop.stock.map(({ service }) => service.set({ status })));
    const before = await set(503);
    await shop.load.start('breaker', { proxyPort: caller.spec.outboundPort, url: 'http://stock/stock', rate: RATE });
    let open = false;
    let after: readonly ServiceCounts[];
    try {
      const untilMs = performance.now() + BROKEN_MS;
      while (performance.now() < untilMs) {
        await delay(250);
        const { destinations } = await caller.stats();
        open ||= destinations.find(({ key }) => key === 'shop/stock:80')?.breaker.state === 'open';
      }
    } finally {
      after = await set(0);
    }
    const { refused, refusal, sent } = await shop.load.finish('breaker');
    const sum = (counts: readonly ServiceCounts[]): number => counts.reduce((all, { requests }) => all + requests, 0);
    const reached = sum(after) - sum(before);
    const byBreaker = refused['circuit-open'] ?? 0;
    const reasons = Object.entries(refused).map(([reason, count]) => `${count} x ${reason}`);
    return [
      {
        ok:
          open &&
          byBreaker >= 100 &&
          refusal.p95Ms < LONGEST_REFUSAL_MS &&
          reached <= 1.2 * (sent - byBreaker) + PROBES,
        measured: `${open ? 'open' : 'not open'}; of ${sent}: ${reasons.join(', ') || 'none refused'}; ${reached} attempts reached the stock; p50 ${milliseconds(refusal.p50Ms)}, p95 ${milliseconds(refusal.p95Ms)}, p99 ${milliseconds(refusal.p99Ms)}, longest ${milliseconds(refusal.maxMs)}`,
      },
    ];
  },
};
