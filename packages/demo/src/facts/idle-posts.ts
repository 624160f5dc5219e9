import type { ShortLivedMesh } from '../short-lived-mesh.ts';
import { delay } from '../wait-until.ts';
import { describeFailures } from './fact.ts';
import type { Trial } from './fact.ts';

const DURATION_MS = 20_000;
const BURST = 10;

/**
 * POSTs in bursts about a second apart, to a server that closes connections after a second of idleness: each burst finds
 * ten connections that are just being closed. A POST must not be sent twice, so it must not be lost either.
 */
export const idlePosts: Trial<ShortLivedMesh> = {
  facts: [{ name: 'POSTs to a server that closes idle connections after 1 s', expected: '0 failed, none taken twice' }],
  async run(mesh) {
    const { web, orders, load } = mesh;
    await orders.service.set({ closeIdleAfterMs: 1_000, delayMs: 10 });
    const before = await orders.service.counts();
    await load.start('posts', {
      proxyPort: web.sidecar.spec.outboundPort,
      url: 'http://orders/orders',
      method: 'POST',
      bodyBytes: 512,
      rate: 1,
      jitter: 0.15,
      burst: BURST,
    });
    await delay(DURATION_MS);
    const seen = await load.finish('posts');
    const after = await orders.service.counts();
    const taken = (after.byMethod['POST'] ?? 0) - (before.byMethod['POST'] ?? 0);
    return [
      {
        ok: seen.failed === 0 && taken === seen.sent && seen.sent >= 150,
        measured: `${seen.failed} of ${seen.sent} failed${describeFailures(seen)}; ${taken} taken, over ${after.connections - before.connections} connections`,
      },
    ];
  },
};
