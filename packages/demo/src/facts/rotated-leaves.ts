import type { ShortLivedMesh } from '../short-lived-mesh.ts';
import { delay } from '../wait-until.ts';
import { describeFailures } from './fact.ts';
import type { Trial } from './fact.ts';

const DURATION_MS = 24_000;

/** Leaves that live 10 s, under load for longer than two of their lives. */
export const rotatedLeaves: Trial<ShortLivedMesh> = {
  facts: [
    {
      name: 'leaves with a life of 10 s rotate under load',
      expected: '0 failed; each sidecar has had 3 leaves or more',
    },
  ],
  async run(mesh) {
    const { web, stock, load } = mesh;
    const leaves = new Map([web, stock].map(({ name }) => [name, new Set<number>()]));
    await load.start('rotation', { proxyPort: web.sidecar.spec.outboundPort, url: 'http://stock/stock', rate: 50 });
    const untilMs = performance.now() + DURATION_MS;
    while (performance.now() < untilMs) {
      for (const { name, sidecar } of [web, stock])
        leaves.get(name)!.add((await sidecar.stats()).certificateNotAfterMs);
      await delay(250);
    }
    const seen = await load.finish('rotation');
    const counts = [...leaves.values()].map(({ size }) => size);
    return [
      {
        ok: seen.failed === 0 && seen.sent > 1_000 && counts.every((count) => count >= 3),
        measured: `${seen.failed} of ${seen.sent} failed${describeFailures(seen)}; leaves ${counts.join(' and ')}`,
      },
    ];
  },
};
