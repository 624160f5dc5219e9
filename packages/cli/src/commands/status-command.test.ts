import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProxyStatus, ServerInfo } from '@weft/wire';
import { describeStatus } from './status-command.ts';

const nowMs = 1_800_000_000_000;
const server: ServerInfo = {
  server: 'desk',
  mesh: 'cluster.local',
  version: '0.1.0',
  trustDomain: 'cluster.local',
  startedAtMs: nowMs - 65_000,
  address: '127.0.0.1:15012',
  source: 'files in ./mesh',
  proxies: 0,
  objects: 1,
  objectsRefused: 0,
  replicas: [],
};

function proxy(instance: string, changes: Partial<ProxyStatus> = {}): ProxyStatus {
  return {
    name: `shop/${instance}`,
    workload: {
      namespace: 'shop',
      name: 'cart',
      serviceAccount: 'cart',
      instance,
      labels: [],
      node: 'desk',
      zone: '',
      version: '0.1.0',
      ephemeral: true,
      service: 'cart',
      weight: 100,
    },
    gateway: '',
    identity: 'spiffe://cluster.local/ns/shop/sa/cart',
    address: '127.0.0.1:50000',
    state: 'Synced',
    connectedAtMs: nowMs - 60_000,
    lastAckAtMs: nowMs - 2000,
    lastTransaction: 1,
    acknowledgedTransaction: 1,
    resources: 5,
    behind: 0,
    refused: 0,
    version: '0123456789abcdef',
    report: {
      ready: true,
      draining: false,
      certificateNotAfterMs: nowMs + 3_600_000,
      loopDelayP99Ms: 0,
      residentBytes: 0,
      inboundConnections: 0,
      requestsTotal: 0,
      destinationsInUse: [],
      opaquePorts: [],
    },
    listeners: [],
    destinations: [],
    ...changes,
  };
}

test('a mesh without proxies says how to get one', () => {
  assert.equal(
    describeStatus(server, [], nowMs, false),
    `control plane desk 0.1.0 on 127.0.0.1:15012, mesh cluster.local, up 1m5s
files in ./mesh: 1 object

No proxies yet. Start a program with one: weft run --service NAME --port PORT -- PROGRAM
`,
  );
});

test('each proxy is one line with its state, what it has acknowledged and how long its certificate lives', () => {
  const proxies = [
    proxy('cart-1'),
    proxy('cart-2', { state: 'Behind', behind: 2 }),
    proxy('cart-3', { state: 'Refusing', refused: 1, behind: 1, lastAckAtMs: 0, report: null }),
    proxy('edge-1', { gateway: 'shop/edge', report: { ...proxy('x').report!, certificateNotAfterMs: nowMs - 1 } }),
    proxy('cart-5', { report: { ...proxy('x').report!, ready: false } }),
  ];
  const text = describeStatus({ ...server, objectsRefused: 3, objects: 9 }, proxies, nowMs, false);
  const id = 'spiffe://cluster.local/ns/shop/sa/cart';
  assert.equal(
    text,
    `control plane desk 0.1.0 on 127.0.0.1:15012, mesh cluster.local, up 1m5s
files in ./mesh: 9 objects, 3 refused (weft get objects)

PROXY         WORKLOAD            IDENTITY                                 STATE               VERSION            ACKED   CERTIFICATE   LAST ACK
shop/cart-1   shop/cart           ${id}   Synced              0123456789abcdef   5/5     1h            2s ago
shop/cart-2   shop/cart           ${id}   Behind by 2         0123456789abcdef   3/5     1h            2s ago
shop/cart-3   shop/cart           ${id}   Refusing 1          0123456789abcdef   4/5     -             never
shop/edge-1   gateway shop/edge   ${id}   Synced              0123456789abcdef   5/5     expired       2s ago
shop/cart-5   shop/cart           ${id}   Synced, not ready   0123456789abcdef   5/5     1h            2s ago
`,
  );
});
