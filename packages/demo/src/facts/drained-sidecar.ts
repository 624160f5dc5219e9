import type { Shop } from '../shop.ts';
import { delay } from '../wait-until.ts';
import { describeFailures, percent } from './fact.ts';
import type { Trial } from './fact.ts';
import { InstanceShares } from './instance-shares.ts';

const WATCH_MS = 1_500;

/** SIGTERM to one of three sidecars, with requests under way all the time. */
export const drainedSidecar: Trial<Shop> = {
  facts: [{ name: 'SIGTERM of one of three sidecars under load', expected: '0 failed; it ends by itself with 0' }],
  async run(shop) {
    const proxyPort = shop.instance('orders-v2').sidecar.spec.outboundPort;
    await shop.load.start('drain', { proxyPort, url: 'http://stock/stock', rate: 200 });
    const shares = await InstanceShares.during(shop.stock, WATCH_MS);
    const leaving = shares.busiest;
    const { process } = leaving.sidecar;
    const startMs = performance.now();
    process.signal('SIGTERM');
    const ended = await Promise.race([process.ended, delay(8_000, undefined)]);
    const tookMs = performance.now() - startMs;
    const atEnd = (await leaving.service.counts()).requests;
    await delay(1_000);
    const after = (await leaving.service.counts()).requests - atEnd;
    const seen = await shop.load.finish('drain');
    if (ended === undefined) await process.stop(0);
    await leaving.sidecar.restart();
    const end =
      ended === undefined
        ? 'it did not end in 8 s'
        : `ended with ${ended.code ?? ended.signal} after ${Math.round(tookMs)} ms`;
    return [
      {
        ok: seen.failed === 0 && ended?.code === 0 && after === 0 && seen.sent > 400,
        measured: `${seen.failed} of ${seen.sent} failed${describeFailures(seen)}; ${end}; ${leaving.name} had ${percent(shares.of(leaving))} of the load`,
      },
    ];
  },
};
