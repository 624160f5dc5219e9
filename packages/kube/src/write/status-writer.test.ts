import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TimerWheel, systemClock } from '@weft/kernel';
import { ScriptedApiServer, type ScriptedObject, eventually } from '@weft/testkit';
import { KubeClient } from '../client/kube-client.ts';
import type { ServedKind } from '../watch/api-discovery.ts';
import type { DesiredStatus } from './desired-status.ts';
import { StatusWriter } from './status-writer.ts';

const WAIT_MS = 3000;
const routes: ServedKind = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  kind: 'HTTPRoute',
  plural: 'httproutes',
  namespaced: true,
};
const policies: ServedKind = {
  group: 'weft.dev',
  version: 'v1alpha1',
  kind: 'TrafficPolicy',
  plural: 'trafficpolicies',
  namespaced: true,
};
const condition = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '', observedGeneration: 1 } as const;

function desired(kind: string, name: string): DesiredStatus {
  const parent = { group: '', kind: 'Service', namespace: 'shop', name: 'orders', sectionName: '', port: 0 };
  const parents = [{ parent, controllerName: 'weft.dev/mesh-controller', conditions: [condition] }];
  return { kind, namespace: 'shop', name, conditions: [], parents, listeners: [], programmed: undefined };
}

async function begin(t: TestContext) {
  const server = new ScriptedApiServer();
  for (const kind of [routes, policies]) server.define(kind);
  const url = await server.listen();
  const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft' });
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const faults: string[] = [];
  const state = { leads: true, seen: new Map<string, ScriptedObject>() };
  const writer = new StatusWriter({
    client,
    clock: systemClock,
    wheel,
    served: (kind) => [routes, policies].find((each) => each.kind === kind),
    object: (kind, namespace, name) => state.seen.get(name) ?? server.get(kind, namespace, name),
    mayWrite: () => state.leads,
    onFault: (_, { message }) => faults.push(message),
    roundMs: 10,
  });
  t.after(async () => {
    await writer.stop();
    await client.close();
    wheel.stop();
    await server.close();
  });
  const make = (kind: ServedKind, name: string): ScriptedObject =>
    server.put({
      apiVersion: `${kind.group}/${kind.version}`,
      kind: kind.kind,
      metadata: { name, namespace: 'shop' },
      spec: {},
    });
  const writes = () => server.calls.filter(({ method }) => method !== 'GET');
  return { server, writer, state, faults, make, writes };
}

test('an own kind is applied, a kind of the standard is put with its version', async (t) => {
  const { server, writer, make, writes } = await begin(t);
  make(policies, 'p');
  make(routes, 'r');
  writer.want(desired('TrafficPolicy', 'p'));
  writer.want(desired('HTTPRoute', 'r'));
  await eventually(() => writer.written === 2, WAIT_MS);
  const [apply, put] = writes();
  assert.equal(apply?.contentType, 'application/apply-patch+yaml');
  assert.equal(apply?.query.get('fieldManager'), 'weft-control');
  assert.equal(put?.method, 'PUT');
  assert.ok(((put?.body ?? {}) as Partial<ScriptedObject>).metadata?.resourceVersion !== undefined);
  assert.ok(server.get('HTTPRoute', 'shop', 'r')?.['status'] !== undefined);
});

test('a conflict is met by reading again, and what the other wrote is kept', async (t) => {
  const { server, writer, state, make } = await begin(t);
  const stale = make(routes, 'r');
  state.seen.set('r', stale);
  const theirs = { parentRef: { name: 'edge' }, controllerName: 'other.example/controller', conditions: [] };
  server.put({ ...stale, status: { parents: [theirs] } });
  writer.want(desired('HTTPRoute', 'r'));
  await eventually(() => writer.written === 1, WAIT_MS);
  const { parents } = (server.get('HTTPRoute', 'shop', 'r')?.['status'] ?? {}) as {
    parents: { controllerName: string }[];
  };
  assert.deepEqual(
    parents.map(({ controllerName }) => controllerName),
    ['other.example/controller', 'weft.dev/mesh-controller'],
  );
});

test('what stands there already costs no write, and whoever does not lead writes nothing', async (t) => {
  const { writer, state, make, writes } = await begin(t);
  make(policies, 'p');
  writer.want(desired('TrafficPolicy', 'p'));
  await eventually(() => writer.written === 1, WAIT_MS);
  writer.want(desired('TrafficPolicy', 'p'));
  await eventually(() => writer.waiting === 0, WAIT_MS);
  state.leads = false;
  make(policies, 'q');
  writer.want(desired('TrafficPolicy', 'q'));
  await eventually(() => writer.waiting === 0, WAIT_MS);
  assert.equal(writes().length, 1);
});

test('of several wishes for one object the last is written', async (t) => {
  const { server, writer, make, writes } = await begin(t);
  make(policies, 'p');
  const refused = { ...condition, status: 'False', reason: 'Conflicted' } as const;
  writer.want(desired('TrafficPolicy', 'p'));
  writer.want({ ...desired('TrafficPolicy', 'p'), parents: [], conditions: [refused] });
  await eventually(() => writer.written === 1, WAIT_MS);
  assert.equal(writes().length, 1);
  const { conditions } = (server.get('TrafficPolicy', 'shop', 'p')?.['status'] ?? {}) as {
    conditions: { reason: string }[];
  };
  assert.equal(conditions[0]?.reason, 'Conflicted');
});
