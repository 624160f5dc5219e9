import { ask } from '../json-http.ts';
import type { LoadCounts } from '../load-generator.ts';
import type { Shop } from '../shop.ts';
import { Tap } from '../tap.ts';
import { delay, waitUntil } from '../wait-until.ts';
import { describeFailures, milliseconds } from './fact.ts';
import type { Finding, Trial } from './fact.ts';

const OUTAGE_MS = 20_000;
const RECONNECT_MS = 5_000;
const APPLY_MS = 1_000;
const RATE = 100;
const RESTART_REQUESTS = 50;
const TAP_REQUESTS = 20;
const AT_ONCE = 40;
/** Of the cart, so that all are under way together. */
const TAPPED_DELAY_MS = 400;
const MOST_MESH_CONNECTIONS = 4;

/**
 * The control plane is killed and stays away for 20 s. Load goes on; meanwhile a sidecar is killed and started again, twice.
 * The second time a tap has taken its port: its callers cannot be told of the new one, so that what they say to each other
 * can be listened to.
 */
export const controlOutage: Trial<Shop> = {
  facts: [
    { name: 'the control plane killed (SIGKILL) for 20 s under load', expected: '0 failed' },
    {
      name: 'a sidecar restarted meanwhile serves from its last good snapshot',
      expected: `${RESTART_REQUESTS} of ${RESTART_REQUESTS} through it`,
    },
    {
      name: 'a tap between two sidecars hears TLS 1.3 and nothing readable',
      expected: 'only TLS records; requests pass',
    },
    {
      name: 'the leg between sidecars is shared: HTTP/1.1 requests at once, counted at the tap',
      expected: `${AT_ONCE} under way in the cart, over at most ${MOST_MESH_CONNECTIONS} connections`,
    },
    { name: 'back again: all sidecars reconnected', expected: `within ${RECONNECT_MS / 1000} s` },
    { name: 'then a change is applied', expected: `within ${APPLY_MS / 1000} s` },
  ],
  async run(shop) {
    const proxyPort = shop.instance('web').sidecar.spec.outboundPort;
    await shop.load.start('outage', { proxyPort, url: 'http://orders/version', rate: RATE });
    await delay(500);
    shop.control.process.signal('SIGKILL');
    await shop.control.process.ended;
    const backMs = performance.now() + OUTAGE_MS;
    const restarted = await attempt(() => restartCart(shop));
    const tapped = await attemptAll(2, () => listenToCart(shop));
    await delay(Math.max(0, backMs - performance.now()));

    await shop.control.restart();
    const startMs = performance.now();
    const reconnected = await attempt(() => reconnect(shop, startMs));
    const applied = await attempt(() => changeMark(shop, proxyPort));
    const seen = await shop.load.finish('outage');
    return [noneFailed(seen), restarted, ...tapped, reconnected, applied];
  },
};

function noneFailed(seen: LoadCounts): Finding {
  return {
    ok: seen.failed === 0 && seen.sent > (RATE * OUTAGE_MS) / 1000,
    measured: `${seen.failed} of ${seen.sent} failed${describeFailures(seen)}`,
  };
}

async function restartCart(shop: Shop): Promise<Finding> {
  const { sidecar } = shop.instance('cart');
  const startMs = performance.now();
  sidecar.process.signal('SIGKILL');
  await sidecar.process.ended;
  await sidecar.restart();
  const tookMs = performance.now() - startMs;
  // Once around: into cart by its inbound side, out of it to orders by the other.
  const proxyPort = shop.instance('web').sidecar.spec.outboundPort;
  await shop.load.start('restart', { proxyPort, url: 'http://cart/cart', rate: 50, limit: RESTART_REQUESTS });
  const seen = await shop.load.finish('restart');
  return {
    ok: seen.ok === RESTART_REQUESTS,
    measured: `ready again after ${milliseconds(tookMs)}; ${seen.ok} of ${seen.sent} succeeded${describeFailures(seen)}`,
  };
}

async function listenToCart(shop: Shop): Promise<Finding[]> {
  const { sidecar, service } = shop.instance('cart');
  const port = sidecar.inboundPort;
  sidecar.process.signal('SIGKILL');
  await sidecar.process.ended;
  const tap = await Tap.listen(port, () => sidecar.inboundPort);
  try {
    await sidecar.restart();
    const before = (await service.counts()).requests;
    const proxyPort = shop.instance('web').sidecar.spec.outboundPort;
    await shop.load.start('tapped', { proxyPort, url: 'http://cart/cart', rate: 20, limit: TAP_REQUESTS });
    const seen = await shop.load.finish('tapped');
    const passed = (await service.counts()).requests - before;
    const streams = tap.recorded.flatMap(({ client, server }) => [Buffer.concat(client), Buffer.concat(server)]);
    const heard = streams.filter(({ length }) => length > 0);
    const bytes = heard.reduce((sum, { length }) => sum + length, 0);
    const isReadable = heard.some((stream) => /HTTP\/1\.1|stock|weft-client-identity/.test(afterHandshake(stream)));
    const isAllTls = heard.every(isTls);
    const secret = {
      ok: passed === TAP_REQUESTS && heard.length > 0 && isAllTls && !isReadable && sidecar.inboundPort !== port,
      measured: `${passed} requests passed in ${bytes} bytes: ${isAllTls ? 'TLS records only' : 'not TLS'}, ${isReadable ? 'readable' : 'nothing readable'}; ${seen.failed} failed${describeFailures(seen)}`,
    };
    return [secret, await crowdCart(shop, tap)];
  } finally {
    await tap.close();
  }
}

/** All at the same moment, from as many HTTP/1.1 connections. */
async function crowdCart(shop: Shop, tap: Tap): Promise<Finding> {
  const { service } = shop.instance('cart');
  const proxyPort = shop.instance('web').sidecar.spec.outboundPort;
  await service.set({ delayMs: TAPPED_DELAY_MS });
  try {
    const run = { proxyPort, url: 'http://cart/cart', rate: 1, burst: AT_ONCE, limit: AT_ONCE };
    await shop.load.start('crowd', run);
    const seen = await shop.load.finish('crowd');
    const { mostAtOnce } = await service.counts();
    const connections = tap.recorded.length;
    return {
      ok: seen.ok === AT_ONCE && mostAtOnce >= AT_ONCE && connections > 0 && connections <= MOST_MESH_CONNECTIONS,
      measured: `${mostAtOnce} at once in the cart; connections at the tap since it was opened: ${connections}; ${seen.failed} failed${describeFailures(seen)}`,
    };
  } finally {
    await service.set({ delayMs: 0 });
  }
}

/** Every byte belongs to a TLS record, and the peers agreed on 1.3: all but hellos is application data (type 23). */
function isTls(stream: Buffer): boolean {
  let at = 0;
  while (at + 5 <= stream.length) {
    const type = stream[at]!;
    if (stream[at + 1] !== 3 || ![20, 21, 22, 23].includes(type)) return false;
    at += 5 + stream.readUInt16BE(at + 3);
  }
  return stream.includes(Buffer.from([23, 3, 3]));
}

/** From the first protected record on: a ClientHello may name protocols in clear. */
function afterHandshake(stream: Buffer): string {
  let at = 0;
  while (at + 5 <= stream.length && stream[at] !== 23) at += 5 + stream.readUInt16BE(at + 3);
  return stream.subarray(at).toString('latin1');
}

async function reconnect(shop: Shop, startMs: number): Promise<Finding> {
  const tookMs = await waitUntil('all sidecars to reconnect', 15_000, async () => {
    const stats = await Promise.all(shop.sidecars.map((sidecar) => sidecar.stats()));
    return stats.every(({ control }) => control.state === 'connected') ? performance.now() - startMs : undefined;
  });
  return { ok: tookMs <= RECONNECT_MS, measured: `${shop.sidecars.length} after ${milliseconds(tookMs)}` };
}

async function changeMark(shop: Shop, proxyPort: number): Promise<Finding> {
  const startMs = performance.now();
  shop.config.setConfigMark('second');
  const tookMs = await waitUntil('the change to be applied', 10_000, async () => {
    const { headers } = await ask(proxyPort, 'http://orders/version', { headers: { host: 'orders' } });
    return headers['x-config'] === 'second' ? performance.now() - startMs : undefined;
  });
  return { ok: tookMs <= APPLY_MS, measured: `answers changed after ${milliseconds(tookMs)}` };
}

/** A part that cannot be measured must not hide the others. */
async function attempt(part: () => Promise<Finding>): Promise<Finding> {
  return (await attemptAll(1, async () => [await part()]))[0]!;
}

/** Of a part with several findings. */
async function attemptAll(count: number, part: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await part();
  } catch (error) {
    return Array.from({ length: count }, () => ({ ok: false, measured: (error as Error).message }));
  }
}
