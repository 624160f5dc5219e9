import { connect } from 'node:net';
import type { DatabaseCounts } from '../database-process.ts';
import { PricesCaller } from '../grpc-caller.ts';
import type { Shop } from '../shop.ts';
import { databaseKey } from '../shop.ts';
import { shopNamespace } from '../shop-config.ts';
import { sumMetric } from '../sidecar-stats.ts';
import { delay, waitUntil } from '../wait-until.ts';
import type { Finding, Trial } from './fact.ts';

const ITEMS = 200;
const KNOCK = '*1\r\n$4\r\nPING\r\n';
const SETTLE_MS = 200;
const TOLD_MS = 8_000;
const COUNTED_MS = 8_000;
/** Longer than the second in which a sidecar counts. */
const SWEEP_MS = 1_100;

/** Items that nobody asked for before: the prices look each up in the database, and put it there. */
export const databaseTraffic: Trial<Shop> = {
  facts: [
    {
      name: 'a database over TCP with mutual TLS: bytes by caller, as the database counts them',
      expected: `${2 * ITEMS} commands; equal bytes, all by shop/prices; none without TLS`,
    },
    {
      name: 'who speaks what: declared, or found out and told by the control plane',
      expected: 'cart HTTP/1.1, prices gRPC, the database TCP',
    },
  ],
  async run(shop) {
    return [await askForItems(shop), await readProtocols(shop)];
  },
};

interface Look {
  readonly server: DatabaseCounts;
  /** By the sidecar in front of the database. */
  readonly received: number;
  readonly sent: number;
  readonly ofPrices: { readonly received: number; readonly sent: number };
}

async function look({ database: { server, sidecar } }: Shop): Promise<Look> {
  const text = await sidecar.metrics();
  const sum = (name: string, labels: Readonly<Record<string, string>>): number =>
    sumMetric(text, `weft_tcp_${name}_bytes_total`, { direction: 'inbound', ...labels });
  const prices = { source: `${shopNamespace}/prices` };
  return {
    server: await server.counts(),
    received: sum('received', {}),
    sent: sum('sent', {}),
    ofPrices: { received: sum('received', prices), sent: sum('sent', prices) },
  };
}

async function askForItems(shop: Shop): Promise<Finding> {
  // Nothing is under way, and all that went before is counted.
  const before = await waitUntil('the database to be idle', COUNTED_MS, async () => {
    const first = await look(shop);
    await delay(SWEEP_MS);
    const second = await look(shop);
    return JSON.stringify(first) === JSON.stringify(second) ? second : undefined;
  });
  const caller = new PricesCaller(shop.instance('web').sidecar.spec.outboundPort);
  try {
    const run = String(Date.now());
    await Promise.all(Array.from({ length: ITEMS }, (_, index) => caller.get(`item-${run}-${index}`)));
  } finally {
    caller.close();
  }
  // A sidecar counts the bytes of connections that stay open once a second.
  let added = await look(shop);
  await waitUntil('the sidecar to have counted', COUNTED_MS, async () => {
    added = await look(shop);
    return added.received - before.received >= added.server.receivedBytes - before.server.receivedBytes
      ? true
      : undefined;
  }).catch(() => {});
  await knock(shop.database.sidecar.inboundPort);
  const afterKnock = await shop.database.server.counts();
  const commands = added.server.commands - before.server.commands;
  const receivedBytes = added.server.receivedBytes - before.server.receivedBytes;
  const sentBytes = added.server.sentBytes - before.server.sentBytes;
  const strange = afterKnock.receivedBytes - added.server.receivedBytes;
  const [received, sent] = [added.received - before.received, added.sent - before.sent];
  const [ofPrices, toPrices] = [
    added.ofPrices.received - before.ofPrices.received,
    added.ofPrices.sent - before.ofPrices.sent,
  ];
  return {
    ok:
      commands === 2 * ITEMS &&
      receivedBytes > 0 &&
      received === receivedBytes &&
      ofPrices === receivedBytes &&
      sent === sentBytes &&
      toPrices === sentBytes &&
      strange === 0,
    measured: `${commands} commands in ${receivedBytes} bytes, ${sentBytes} back; its sidecar says ${received} and ${sent}, of shop/prices ${ofPrices} and ${toPrices}; without TLS ${strange} bytes came through`,
  };
}

/** Knocks where the database's sidecar expects its peers, without TLS. */
async function knock(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1', () => socket.write(KNOCK));
  socket.on('error', () => {});
  await delay(SETTLE_MS);
  socket.destroy();
}

interface HeldBackend {
  readonly type: string;
  readonly name: string;
  readonly protocol?: string;
}

/** Asked of the sidecars that call: none of them may find out by itself. */
async function readProtocols(shop: Shop): Promise<Finding> {
  const protocolOf = (proxy: string, backend: string): Promise<string> =>
    waitUntil(`${proxy} to know what ${backend} speaks`, TOLD_MS, async () => {
      const held = await shop.control.ask<HeldBackend[]>(['get', 'config', `${shopNamespace}/${proxy}`]);
      const protocol = held.find(({ type, name }) => type === 'backend' && name === backend)?.protocol;
      return protocol === 'Unknown' ? undefined : protocol;
    });
  const [cart, prices, database] = await Promise.all([
    protocolOf('web', `${shopNamespace}/cart:80`),
    protocolOf('web', `${shopNamespace}/prices:80`),
    protocolOf('prices', databaseKey),
  ]);
  return {
    ok: cart === 'Http1' && prices === 'Grpc' && database === 'Tcp',
    measured: `cart ${cart} and prices ${prices}, declared; the database ${database}, found out by its sidecar`,
  };
}
