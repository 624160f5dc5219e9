import type { Quantiles } from '../load-generator.ts';
import type { ServiceCounts } from '../service-process.ts';
import type { Shop } from '../shop.ts';
import { delay } from '../wait-until.ts';
import { milliseconds } from './fact.ts';
import type { Finding, Trial } from './fact.ts';

const RATE = 200;
const LONGEST_REFUSAL_MS = 5;
/** A machine on which a bare server answers within this has time enough to tell how long a refusal takes. */
const BARE_MS = 2.5;
const BARE_RATE = 100;
/** Single requests that find out whether an instance is well again. */
const PROBES = 10;
const BROKEN_MS = 3_500;

/** Every instance fails: the caller is told at once, and why, and the instances are left alone. */
export const openBreaker: Trial<Shop> = {
  facts: [
    {
      name: 'every instance failing: the breaker opens and refuses at once',
      expected: `refusals with weft-refused: circuit-open; 99 of 100 under ${LONGEST_REFUSAL_MS} ms, as far as this machine can tell`,
    },
  ],
  async run(shop) {
    const caller = shop.instance('cart').sidecar;
    const set = (status: number): Promise<ServiceCounts[]> =>
      Promise.all(shop.stock.map(({ service }) => service.set({ status })));
    const before = await set(503);
    // What the machine makes of one request and one answer between two programs, without a mesh, at the same time.
    const bare = { proxyPort: shop.instance('orders-v1').service.port, url: 'http://orders/', method: 'POST' };
    await shop.load.start('bare', { ...bare, rate: BARE_RATE });
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
    const { service: alone } = await shop.load.finish('bare');
    const judged = judge(refusal, alone);
    const sum = (counts: readonly ServiceCounts[]): number => counts.reduce((all, { requests }) => all + requests, 0);
    const reached = sum(after) - sum(before);
    const byBreaker = refused['circuit-open'] ?? 0;
    const reasons = Object.entries(refused).map(([reason, count]) => `${count} x ${reason}`);
    return [
      {
        ok: open && byBreaker >= 100 && judged.ok && reached <= 1.2 * (sent - byBreaker) + PROBES,
        measured: `${open ? 'open' : 'not open'}; of ${sent}: ${reasons.join(', ') || 'none refused'}; ${reached} attempts reached the stock; ${judged.measured}; longest ${milliseconds(refusal.maxMs)}`,
      },
    ];
  },
};

/**
 * At the highest quantile at which a bare server kept to `BARE_MS` in the same interval: what is above that measures the
 * machine. Where it did not even in the middle, what the machine takes is taken off.
 */
export function judge(refusal: Quantiles, bare: Quantiles): Finding {
  const [name, ofRefusal, ofBare] = (
    [
      ['p99', refusal.p99Ms, bare.p99Ms],
      ['p95', refusal.p95Ms, bare.p95Ms],
      ['p50', refusal.p50Ms, bare.p50Ms],
    ] as const
  ).find(([quantile, , bareMs]) => quantile === 'p50' || bareMs <= BARE_MS)!;
  const spare = ofBare <= BARE_MS ? 0 : 2 * ofBare;
  const all = `p50 ${milliseconds(refusal.p50Ms)}, p95 ${milliseconds(refusal.p95Ms)}, p99 ${milliseconds(refusal.p99Ms)}`;
  const reason = name === 'p99' ? 'the machine is quiet' : 'the machine is too busy to tell of more';
  const own = `a bare server took ${milliseconds(bare.p50Ms)}, ${milliseconds(bare.p95Ms)}, ${milliseconds(bare.p99Ms)}`;
  return {
    ok: ofRefusal < LONGEST_REFUSAL_MS + spare,
    measured: `${all}; judged by ${name}${spare === 0 ? '' : ` less ${milliseconds(spare)}`}, as ${reason} (${own})`,
  };
}
