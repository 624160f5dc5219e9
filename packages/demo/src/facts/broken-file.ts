import { ask } from '../json-http.ts';
import type { Shop } from '../shop.ts';
import { delay, waitUntil } from '../wait-until.ts';
import type { Trial } from './fact.ts';

const GOOD = 'name: orders-v2, port: 80, weight: ';
const REQUESTS = 200;
const LINE = /orders-v2, port: 80, weight: eighty/;

/** A mistake in a file: the control plane says where, and what was in force before stays. */
export const brokenFile: Trial<Shop> = {
  facts: [
    {
      name: 'a broken YAML file: the problem names file, line and field',
      expected: 'canary.yaml:LINE, spec.rules[0].backendRefs[1].weight',
    },
    { name: 'the old configuration still serves', expected: `0 of ${REQUESTS} failed, split as before` },
  ],
  async run(shop) {
    const text = shop.config.read('canary.yaml');
    const broken = text.replace(new RegExp(`(${GOOD})\\d+`), '$1eighty');
    const line = broken.split('\n').findIndex((each) => LINE.test(each)) + 1;
    shop.config.write('canary.yaml', broken);
    try {
      const problem = await waitUntil('the control plane to tell of the problem', 5_000, async () => {
        const objects = await shop.control.ask<ListedObject[]>(['get', 'objects']);
        return objects.flatMap(({ problems }) => problems).find(({ file }) => file.endsWith('canary.yaml'));
      });
      await delay(300);
      const proxyPort = shop.instance('web').sidecar.spec.outboundPort;
      await shop.load.start('broken', { proxyPort, url: 'http://orders/version', rate: 200, limit: REQUESTS });
      const seen = await shop.load.finish('broken');
      const v2 = seen.versions['v2'] ?? 0;
      const mark = await ask(proxyPort, 'http://orders/version', { headers: { host: 'orders' } });
      return [
        {
          ok: problem.line === line && problem.path === 'spec.rules[0].backendRefs[1].weight' && line > 0,
          measured: `${problem.file}:${problem.line}, ${problem.path}: ${problem.message}`,
        },
        {
          ok: seen.failed === 0 && v2 > 0.08 * REQUESTS && v2 < 0.32 * REQUESTS && mark.headers['x-config'] === 'first',
          measured: `${seen.failed} failed; v2 got ${v2} of ${REQUESTS}; x-config: ${String(mark.headers['x-config'])}`,
        },
      ];
    } finally {
      shop.config.write('canary.yaml', text);
    }
  },
};

interface ListedObject {
  readonly name: string;
  readonly problems: readonly {
    readonly file: string;
    readonly line: number;
    readonly path: string;
    readonly message: string;
  }[];
}
