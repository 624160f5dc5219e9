import { PricesCaller, callBare } from '../grpc-caller.ts';
import type { GrpcCounts } from '../service-process.ts';
import { shopId } from '../shop-config.ts';
import type { Shop } from '../shop.ts';
import { TimerLateness } from '../timer-lateness.ts';
import { waitUntil } from '../wait-until.ts';
import { milliseconds } from './fact.ts';
import type { Finding, Trial } from './fact.ts';

const CALLS = 200;
const AT_ONCE = 20;
const STREAM_MESSAGES = 5_000;
const DEADLINE_MS = 300;
const DEADLINE_CALLS = 10;
/** Above the deadline, on a machine that keeps its timers. */
const GRACE_MS = 50;
/** The server answers long after the deadline. */
const SLOW_MS = 3_000;

/** The prices called as a gRPC program calls: each call goes through the sidecar of web and that of the prices. */
export const grpcCalls: Trial<Shop> = {
  facts: [
    {
      name: 'gRPC through two sidecars: unary calls and a stream',
      expected: `${CALLS} calls and ${STREAM_MESSAGES} messages in order, all by web`,
    },
    {
      name: 'a gRPC deadline is enforced by the mesh',
      expected: `DEADLINE_EXCEEDED (4) after ${DEADLINE_MS} to ${DEADLINE_MS + GRACE_MS} ms; the server is told, and stopped`,
    },
    {
      name: 'what the mesh refuses of gRPC is a status with its reason',
      expected: 'no rule: 12, no instance: 14; nothing reaches the server',
    },
  ],
  async run(shop) {
    const proxyPort = shop.instance('web').sidecar.spec.outboundPort;
    return [await callAndWatch(shop, proxyPort), await outlive(shop, proxyPort), await beRefused(shop, proxyPort)];
  },
};

async function callAndWatch(shop: Shop, proxyPort: number): Promise<Finding> {
  const { service } = shop.instance('prices');
  const before = await service.counts<GrpcCounts>();
  const caller = new PricesCaller(proxyPort);
  let good = 0;
  let inOrder: boolean;
  let streamed: number;
  try {
    for (let sent = 0; sent < CALLS; sent += AT_ONCE) {
      const prices = await Promise.all(Array.from({ length: AT_ONCE }, () => caller.get('coffee')));
      good += prices.filter(({ name, cents }) => name === 'coffee' && cents === 990).length;
    }
    const messages = await caller.watch('coffee', STREAM_MESSAGES);
    streamed = messages.length;
    inOrder = messages.every(({ turn }, index) => turn === index);
  } finally {
    caller.close();
  }
  const after = await service.counts<GrpcCounts>();
  const web = shopId('web');
  const byWeb = (after.byIdentity[web] ?? 0) - (before.byIdentity[web] ?? 0);
  const told = after.messages - before.messages;
  return {
    ok: good === CALLS && streamed === STREAM_MESSAGES && inOrder && byWeb === CALLS + 1 && told >= CALLS + streamed,
    measured: `${good} calls, ${streamed} messages${inOrder ? ' in order' : ', not in order'}; the service counted ${byWeb} calls by ${web}`,
  };
}

/** The client keeps no deadline, so that only the mesh can end the call. */
async function outlive(shop: Shop, proxyPort: number): Promise<Finding> {
  const { service } = shop.instance('prices');
  const before = await service.counts<GrpcCounts>();
  const lateness = new TimerLateness();
  await service.set({ delayMs: SLOW_MS });
  const endings = [];
  try {
    for (let sent = 0; sent < DEADLINE_CALLS; sent += 1) {
      endings.push(await callBare(proxyPort, 'prices', '/shop.v1.Prices/Get', `${DEADLINE_MS}m`));
    }
  } finally {
    await service.set({ delayMs: 0 });
  }
  // Client, two sidecars and this process: each may have waited for the processor.
  const lateMs = lateness.finish();
  const cancelled = async (): Promise<number> => (await service.counts<GrpcCounts>()).cancelled - before.cancelled;
  await waitUntil('the server to be stopped', 2_000, async () =>
    (await cancelled()) >= DEADLINE_CALLS ? true : undefined,
  ).catch(() => {});
  const after = await service.counts<GrpcCounts>();
  const times = endings.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const exceeded = endings.filter(({ grpcStatus }) => grpcStatus === '4').length;
  const longestMs = times.at(-1)!;
  return {
    ok:
      exceeded === DEADLINE_CALLS &&
      times[0]! >= DEADLINE_MS - 2 &&
      longestMs <= DEADLINE_MS + GRACE_MS + 2 * lateMs &&
      after.cancelled - before.cancelled >= DEADLINE_CALLS &&
      after.leftMs > 0 &&
      after.leftMs <= DEADLINE_MS,
    measured: `${exceeded} of ${DEADLINE_CALLS} with status 4 after ${milliseconds(times[0]!)} to ${milliseconds(longestMs)} (timers of this machine came up to ${milliseconds(lateMs)} late); the server was told ${after.leftMs} ms and stopped ${after.cancelled - before.cancelled} times`,
  };
}

async function beRefused(shop: Shop, proxyPort: number): Promise<Finding> {
  const { service } = shop.instance('prices');
  const before = await service.counts<GrpcCounts>();
  const [noRule, noInstance] = [
    await callBare(proxyPort, 'prices', '/shop.v1.Prices/Delete', ''),
    await callBare(proxyPort, 'gifts', '/shop.v1.Gifts/Get', ''),
  ];
  const reached =
    ((await service.counts<GrpcCounts>()).byIdentity[shopId('web')] ?? 0) - (before.byIdentity[shopId('web')] ?? 0);
  const told = [noRule, noInstance].map(({ grpcStatus, refused, message }) => `${grpcStatus} ${refused} "${message}"`);
  return {
    ok:
      [noRule, noInstance].every(({ httpStatus, message }) => httpStatus === 200 && message !== '') &&
      noRule.grpcStatus === '12' &&
      noRule.refused === 'no-route' &&
      noInstance.grpcStatus === '14' &&
      noInstance.refused !== '' &&
      reached === 0,
    measured: `${told.join('; ')}; ${reached} reached the server`,
  };
}
