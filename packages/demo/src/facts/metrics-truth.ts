import type { Shop } from '../shop.ts';
import { sumMetric } from '../sidecar-stats.ts';
import type { Trial } from './fact.ts';

const REQUESTS = 600;

/** The one fact that looks at Weft's own metrics: they say what the services counted. */
export const metricsTruth: Trial<Shop> = {
  facts: [{ name: 'weft_requests_total says what the services counted', expected: 'equal, by caller and by callee' }],
  async run(shop) {
    const caller = shop.instance('web').sidecar;
    const callees = [shop.instance('orders-v1'), shop.instance('orders-v2')];
    const read = async (): Promise<{ service: number; inbound: number; outbound: number }[]> => {
      const ofCaller = await caller.metrics();
      return Promise.all(
        callees.map(async ({ name, service, sidecar }) => ({
          service: (await service.counts()).requests,
          inbound: sumMetric(await sidecar.metrics(), 'weft_requests_total', { direction: 'inbound' }),
          outbound: sumMetric(ofCaller, 'weft_requests_total', {
            direction: 'outbound',
            destination: `shop/${name}`,
            source: 'shop/web',
          }),
        })),
      );
    };
    const before = await read();
    const proxyPort = caller.spec.outboundPort;
    await shop.load.start('metrics', { proxyPort, url: 'http://orders/version', rate: 400, limit: REQUESTS });
    await shop.load.finish('metrics');
    const after = await read();
    const added = after.map((now, index) => ({
      service: now.service - before[index]!.service,
      inbound: now.inbound - before[index]!.inbound,
      outbound: now.outbound - before[index]!.outbound,
    }));
    const total = added.reduce((sum, { service }) => sum + service, 0);
    return [
      {
        ok:
          total === REQUESTS && added.every((each) => each.service === each.inbound && each.service === each.outbound),
        measured: added
          .map((each, i) => `v${i + 1}: counted ${each.service}, caller says ${each.outbound}, callee ${each.inbound}`)
          .join('; '),
      },
    ];
  },
};
