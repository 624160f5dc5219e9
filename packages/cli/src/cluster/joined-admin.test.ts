import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Result, fail, ok } from '@weft/kernel';
import type { CallFault, ObjectStatus, ProxyStatus, ServerInfo, TapRequest, Traffic } from '@weft/wire';
import type { ControlAdmin } from '../control-admin.ts';
import { JoinedAdmin } from './joined-admin.ts';

const away: CallFault = { code: 'Unavailable', message: 'connection lost' };
const nowhere: CallFault = { code: 'NotFound', message: 'no proxy' };

function admin(own: Partial<Record<keyof ControlAdmin, unknown>>): ControlAdmin {
  return own as unknown as ControlAdmin;
}

function proxy(name: string, state: ProxyStatus['state'], account = 'cart'): ProxyStatus {
  return { name, state, workload: { namespace: 'shop', serviceAccount: account } } as unknown as ProxyStatus;
}

const said =
  <T>(value: T) =>
  async () =>
    ok(value);
const refused = (fault: CallFault) => async () => fail(fault);

function valueOf<T>(result: Result<T, CallFault>): T {
  assert.ok(result.ok);
  return result.value;
}

test('proxies of all control planes are listed, one that moved as it is where it went', async () => {
  const joined = new JoinedAdmin([
    admin({ listProxies: said({ proxies: [proxy('shop/b', 'Synced'), proxy('shop/a', 'Lost')] }) }),
    admin({ listProxies: said({ proxies: [proxy('shop/a', 'Synced'), proxy('shop/b', 'Lost')] }) }),
  ]);
  const { proxies } = valueOf(await joined.listProxies());
  assert.deepEqual(
    proxies.map(({ name, state }) => `${name} ${state}`),
    ['shop/a Synced', 'shop/b Synced'],
  );
});

test('a control plane that is away is left out; a refusal is not', async () => {
  const info = { server: 'b', proxies: 2, startedAtMs: 5 } as unknown as ServerInfo;
  const one = new JoinedAdmin([admin({ getServer: refused(away) }), admin({ getServer: said(info) })]);
  assert.equal(valueOf(await one.getServer()).proxies, 2);
  const denied: CallFault = { code: 'PermissionDenied', message: 'you may not' };
  const two = new JoinedAdmin([admin({ getServer: refused(denied) }), admin({ getServer: said(info) })]);
  assert.deepEqual(await two.getServer(), fail(denied));
  const none = new JoinedAdmin([admin({ getServer: refused(away) }), admin({ getServer: refused(away) })]);
  assert.deepEqual(await none.getServer(), fail(away));
});

test('what a proxy holds is asked of whichever control plane has it', async () => {
  const config = { resources: [], truncated: false };
  const joined = new JoinedAdmin([admin({ getConfig: refused(nowhere) }), admin({ getConfig: said(config) })]);
  assert.equal(valueOf(await joined.getConfig({ proxy: 'shop/a', keyPrefix: '' })), config);
});

test('numbers of proxies of an object are added, and its condition is the worse one', async () => {
  const object = (status: string, programmed: number): ObjectStatus =>
    ({
      kind: 'HTTPRoute',
      namespace: 'shop',
      name: 'orders',
      proxies: 3,
      programmed,
      conditions: [{ type: 'Programmed', status, reason: '', message: '', about: '' }],
    }) as unknown as ObjectStatus;
  const joined = new JoinedAdmin([
    admin({ listObjects: said({ objects: [object('True', 3)] }) }),
    admin({ listObjects: said({ objects: [object('False', 2)] }) }),
  ]);
  const { objects } = valueOf(await joined.listObjects({ kind: '', namespace: '', name: '' }));
  assert.equal(objects.length, 1);
  assert.deepEqual([objects[0]!.programmed, objects[0]!.proxies, objects[0]!.conditions[0]!.status], [5, 6, 'False']);
});

test('a request that both ends counted, at different control planes, counts once', async () => {
  const edge = (direction: Traffic['direction'], source: string): Traffic =>
    ({ direction, source, destination: 'shop/orders', requests: 10 }) as unknown as Traffic;
  const joined = new JoinedAdmin([
    admin({
      getTraffic: said({ coveredMs: 5, proxies: 1, edges: [edge('Outbound', 'shop/cart')] }),
      listProxies: said({ proxies: [proxy('shop/cart-1', 'Synced', 'cart')] }),
    }),
    admin({
      getTraffic: said({ coveredMs: 9, proxies: 1, edges: [edge('Inbound', 'shop/cart'), edge('Inbound', 'unknown')] }),
      listProxies: said({ proxies: [proxy('shop/orders-1', 'Synced', 'orders')] }),
    }),
  ]);
  const traffic = valueOf(await joined.getTraffic({ windowMs: 0, service: '' }));
  assert.deepEqual(
    traffic.edges.map(({ direction, source }) => `${direction} ${source}`),
    ['Outbound shop/cart', 'Inbound unknown'],
  );
  assert.deepEqual([traffic.coveredMs, traffic.proxies], [9, 2]);
});

test('a tap ends when it has ended everywhere, and is no fault where it fits somewhere', () => {
  const ends: ((fault: CallFault | null) => void)[] = [];
  const one = admin({
    tap: (_request: TapRequest, _event: unknown, ended: (fault: CallFault | null) => void) => {
      ends.push(ended);
      return () => undefined;
    },
  });
  const heard: (CallFault | null)[] = [];
  const start = (): void => {
    ends.length = 0;
    new JoinedAdmin([one, one]).tap(
      {} as TapRequest,
      () => undefined,
      (fault) => heard.push(fault),
    );
  };
  start();
  ends[0]!(nowhere);
  assert.deepEqual(heard, []);
  ends[1]!(null);
  assert.deepEqual(heard, [null]);
  start();
  ends[0]!(nowhere);
  ends[1]!(nowhere);
  assert.deepEqual(heard, [null, nowhere]);
});

test('hops of two control planes are put in the order of cause and effect', async () => {
  const hop = (direction: string, startedAtMs: number, source: string, upstreamIdentity: string) => ({
    direction,
    startedAtMs,
    durationMs: 10,
    requestId: 'r',
    traceId: 't',
    path: '/',
    source,
    upstreamIdentity,
    attempts: [],
  });
  const listed = (name: string, identity: string) =>
    said({ proxies: [{ ...proxy(name, 'Synced'), identity, listeners: [] }] });
  const asked: string[] = [];
  const joined = new JoinedAdmin([
    admin({
      why: (request: string) => {
        asked.push(request);
        const hops = [
          { proxy: 'shop/orders-1', workload: 'shop/orders', depth: 0, hop: hop('Inbound', 3, 'cart-id', '') },
        ];
        return Promise.resolve(ok({ hops: request === 't' ? hops : [], rings: [] }));
      },
      listProxies: listed('shop/orders-1', 'orders-id'),
    }),
    admin({
      why: said({
        hops: [
          { proxy: 'shop/cart-1', workload: 'shop/cart', depth: 0, hop: hop('Outbound', 1, 'cart-id', 'orders-id') },
        ],
        rings: [],
      }),
      listProxies: listed('shop/cart-1', 'cart-id'),
    }),
  ]);
  const { hops } = valueOf(await joined.why('r'));
  assert.deepEqual(asked, ['r', 't']);
  assert.deepEqual(
    hops.map(({ proxy: name, depth }) => `${name} ${depth}`),
    ['shop/cart-1 0', 'shop/orders-1 1'],
  );
});
