import type { Shop } from '../shop.ts';
import { waitUntil } from '../wait-until.ts';
import { milliseconds } from './fact.ts';
import type { Trial } from './fact.ts';

const LONGEST_MS = 500;

const added = `---
apiVersion: v1
kind: Service
metadata: {name: returns, namespace: shop}
spec: {selector: {app: returns}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
`;

/** A file is saved as editors save; the control plane's own record says when each proxy acknowledged it. */
export const configEdit: Trial<Shop> = {
  facts: [{ name: 'an edited YAML file is acknowledged by all sidecars', expected: `all 10 within ${LONGEST_MS} ms` }],
  async run(shop) {
    const before = await versions(shop);
    const editedMs = shop.config.write('services.yaml', shop.config.read('services.yaml') + added);
    await waitUntil('all proxies to hold the edited file', 5_000, async () => {
      const now = await versions(shop);
      return now.every((version, index) => version !== before[index]) ? true : undefined;
    });
    // The acknowledgement follows at once what is in force.
    const proxies = await waitUntil('all proxies to be synced', 3_000, async () => {
      const listed = await listProxies(shop);
      return listed.every(({ state }) => state === 'Synced') ? listed : undefined;
    });
    const delays = proxies.map(({ lastAckAtMs }) => lastAckAtMs - editedMs);
    const slowest = Math.max(...delays);
    return [
      {
        ok: delays.length === shop.sidecars.length && Math.min(...delays) > 0 && slowest <= LONGEST_MS,
        measured: `${delays.filter((ms) => ms > 0 && ms <= LONGEST_MS).length} of ${delays.length}; the last after ${milliseconds(slowest)}`,
      },
    ];
  },
};

interface ListedProxy {
  readonly name: string;
  readonly state: string;
  /** Unix milliseconds. */
  readonly lastAckAtMs: number;
}

async function listProxies(shop: Shop): Promise<ListedProxy[]> {
  return (await shop.control.ask<{ proxies: ListedProxy[] }>(['status'])).proxies;
}

function versions(shop: Shop): Promise<string[]> {
  return Promise.all(shop.sidecars.map(async (sidecar) => (await sidecar.stats()).version));
}
