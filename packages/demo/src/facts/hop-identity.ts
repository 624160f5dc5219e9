import type { ServiceCounts } from '../service-process.ts';
import { shopId } from '../shop-config.ts';
import type { InstanceName, Shop } from '../shop.ts';
import { describeFailures } from './fact.ts';
import type { Trial } from './fact.ts';

const REQUESTS = 100;

/** Who calls whom. */
const hops: readonly { caller: string; callees: readonly InstanceName[] }[] = [
  { caller: 'edge', callees: ['web'] },
  { caller: 'web', callees: ['cart'] },
  { caller: 'cart', callees: ['orders-v1', 'orders-v2'] },
  { caller: 'orders', callees: ['stock-1', 'stock-2', 'stock-3'] },
  // By gRPC.
  { caller: 'orders', callees: ['prices'] },
];

/** Sends requests down the whole chain and reads in each service whose certificate its sidecar had verified. */
export const hopIdentity: Trial<Shop> = {
  facts: [
    {
      name: 'every hop between the expected SPIFFE IDs',
      expected: `${hops.length} hops x ${REQUESTS} requests, each by its own caller`,
    },
  ],
  async run(shop) {
    const before = await countAll(shop);
    await shop.load.start('chain', { proxyPort: shop.edgePort, url: 'http://shop.test/', rate: 50, limit: REQUESTS });
    const seen = await shop.load.finish('chain');
    const after = await countAll(shop);
    const texts: string[] = [];
    let good = seen.ok === REQUESTS;
    for (const { caller, callees } of hops) {
      const identity = shopId(caller);
      let expected = 0;
      let others = 0;
      for (const callee of callees) {
        const added = addedIdentities(before.get(callee)!, after.get(callee)!);
        for (const [id, count] of added) {
          if (id === identity) expected += count;
          else others += count;
        }
      }
      texts.push(`${caller} > ${callees.join('+')} ${expected}`);
      good &&= expected === REQUESTS && others === 0;
      if (others > 0) texts.push(`others ${others}`);
    }
    return [{ ok: good, measured: `${texts.join(', ')}; ${seen.failed} failed${describeFailures(seen)}` }];
  },
};

async function countAll(shop: Shop): Promise<Map<string, ServiceCounts>> {
  const counts = await Promise.all([...shop.instances.values()].map(({ service }) => service.counts()));
  return new Map(counts.map((each) => [each.instance, each]));
}

function addedIdentities(before: ServiceCounts, after: ServiceCounts): [string, number][] {
  return Object.entries(after.byIdentity)
    .map(([id, count]): [string, number] => [id, count - (before.byIdentity[id] ?? 0)])
    .filter(([, count]) => count > 0);
}
