import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerIdentity } from '@weft/identity';
import { Model, resolveEndpoints, resolveInbound } from '@weft/model';
import type { Hello, WorkloadFacts } from '@weft/wire';
import { readPlace } from './source/config-place.ts';
import { admitWorkload, judgeHello } from './workload-admission.ts';

const peer: PeerIdentity = {
  id: 'spiffe://cluster.local/ns/shop/sa/orders',
  trustDomain: 'cluster.local',
  namespace: 'shop',
  serviceAccount: 'orders',
  notAfterMs: 1,
  rootFingerprint: '',
  leafFingerprint: '',
};
const nobody = { has: () => false };
const listener = { applicationPort: 8080, name: 'http', address: '10.0.0.1', port: 15006 };

function hello(facts: Partial<WorkloadFacts>, rest: Partial<Hello> = {}): Hello {
  return {
    protocolVersion: 1,
    workload: {
      namespace: 'shop',
      name: 'orders',
      serviceAccount: 'orders',
      instance: 'one',
      labels: [],
      node: '',
      zone: '',
      version: '',
      ephemeral: true,
      service: 'orders',
      weight: 100,
      ...facts,
    },
    capabilities: [],
    listeners: [listener],
    held: [],
    destinations: [],
    gateway: '',
    ...rest,
  };
}

const service = (name: string, selector: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {selector: {${selector}}, ports: [{port: 80}]}\n`;
const entry = (name: string, account: string, address: string, port: number): string =>
  `apiVersion: weft.dev/v1alpha1\nkind: WorkloadEntry\nmetadata: {name: ${name}, namespace: shop}\n` +
  `spec: {address: ${address}, ports: [{port: ${port}}], serviceAccount: ${account}, labels: {app: orders}}\n`;

function modelOf(...texts: string[]): Model {
  const model = new Model();
  for (const { result } of readPlace('a.yaml', texts.join('---\n')).objects) {
    assert.ok(result.object !== undefined, result.problems[0]?.message ?? '');
    model.applyChanges([{ type: 'Upsert', object: result.object }]);
  }
  return model;
}

const labelsOf = (label: Record<string, string>): WorkloadFacts['labels'] =>
  Object.entries(label).map(([name, value]) => ({ name, value }));

test('Hello must say the namespace and the account of the certificate', () => {
  assert.equal(judgeHello(hello({}), peer, nobody).ok, true);
  for (const lie of [{ namespace: 'other' }, { serviceAccount: 'cart' }]) {
    const judged = judgeHello(hello(lie), peer, nobody);
    assert.ok(!judged.ok && judged.error.code === 'PermissionDenied');
  }
});

test('another service than the one of its account needs a token that was made for it', () => {
  const asCart = hello({ service: 'cart' });
  const judged = judgeHello(asCart, peer, nobody);
  assert.ok(!judged.ok && /weft token create --service cart --service-account orders/.test(judged.error.message));
  const grants = { has: (...names: string[]) => names.join() === 'shop,orders,cart' };
  assert.equal(judgeHello(asCart, peer, grants).ok, true);
});

test('a Gateway of another namespace is not served', () => {
  assert.equal(judgeHello(hello({}, { gateway: 'other/edge' }), peer, nobody).ok, false);
  assert.equal(judgeHello(hello({}, { gateway: 'shop/edge' }), peer, nobody).ok, true);
});

test('an ephemeral instance carries the labels of its service, whatever it says, and its own beside them', () => {
  const model = modelOf(service('orders', 'app: orders'));
  const { instance, workload } = admitWorkload(
    hello({ labels: labelsOf({ app: 'evil', version: 'v2' }) }),
    peer,
    model,
    nobody,
    false,
  );
  assert.equal(workload, 'shop/orders~one');
  assert.deepEqual(instance?.labels, { app: 'orders', version: 'v2' });
  assert.deepEqual(instance?.ports, [{ name: 'http', applicationPort: 8080, meshPort: 15006 }]);
});

test('it may choose a part of its own service, but no label makes it an endpoint of another', () => {
  const model = modelOf(
    service('orders', 'app: orders'),
    service('orders-v2', 'app: orders, version: v2'),
    service('vault', 'tier: secret'),
  );
  const { instance, withheld } = admitWorkload(
    hello({ labels: labelsOf({ version: 'v2', tier: 'secret' }) }),
    peer,
    model,
    nobody,
    false,
  );
  assert.deepEqual(withheld, ['vault']);
  assert.deepEqual(instance?.labels, { app: 'orders', version: 'v2' });
});

test('a proxy that is not ephemeral stands before the entry of its account, by name or by address and port', () => {
  const model = modelOf(
    entry('orders-a', 'orders', '10.0.0.1', 8080),
    entry('orders-b', 'orders', '10.0.0.2', 8080),
    entry('one', 'cart', '10.0.0.3', 8080),
  );
  const facts = { ephemeral: false, service: '' };
  const admit = (rest: Partial<WorkloadFacts>, listeners: Hello['listeners'] = [listener]): string =>
    admitWorkload(hello({ ...facts, ...rest }, { listeners }), peer, model, nobody, false).workload;
  assert.equal(admit({ instance: 'orders-b' }), 'shop/orders-b');
  assert.equal(admit({ name: 'orders-b' }), 'shop/orders-b');
  // `one` is an entry of another account.
  assert.equal(admit({}), 'shop/orders-a');
  assert.equal(admit({}, [{ ...listener, address: '10.0.0.9' }]), '');
  // Named by nothing, and called by nobody: a workload of its own.
  assert.equal(admit({}, []), 'shop/orders~one');
});

test('two entries that fit equally are both left alone', () => {
  const model = modelOf(entry('a', 'orders', '10.0.0.1', 8080), entry('b', 'orders', '10.0.0.1', 8080));
  const admitted = admitWorkload(hello({ ephemeral: false, service: '' }), peer, model, nobody, false);
  assert.deepEqual(admitted, { workload: '', instance: undefined, withheld: [] });
});

test('a caller stands in the model for its own policies, with its labels, and is an endpoint of nothing', () => {
  const model = modelOf(
    service('orders', 'app: orders'),
    'apiVersion: weft.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {name: quiet, namespace: shop}\n' +
      'spec: {selector: {matchLabels: {app: orders}}, accessLog: {when: Never}}\n',
  );
  for (const gateway of ['', 'shop/edge']) {
    const { workload, instance } = admitWorkload(hello({}, { listeners: [], gateway }), peer, model, nobody, false);
    assert.ok(instance !== undefined);
    assert.equal(workload, instance.workload);
    model.applyChanges([{ type: 'UpsertInstance', instance }]);
    assert.equal(resolveInbound(model, workload)?.telemetry?.accessLog?.when, 'Never');
    assert.deepEqual(resolveEndpoints(model, 'shop/orders:80')?.endpoints, []);
  }
});

test('a captured workload is reached at every port that a Service leads to, declared by its pod or not', () => {
  const facts = { ephemeral: false, instance: 'orders-1', service: '' };
  const model = modelOf(
    service('orders', 'app: orders').replace('port: 80', 'port: 80, targetPort: 9000'),
    entry('orders-1', 'orders', '10.0.0.7', 8080),
  );
  const portsOf = (rest: Partial<Hello>): string => {
    const { instance } = admitWorkload(hello(facts, rest), peer, model, nobody, false);
    const ports = instance?.ports.map(({ applicationPort, meshPort }) => `${applicationPort}>${meshPort}`).join(' ');
    return `${instance?.address ?? 'none'} ${ports ?? ''}`;
  };
  assert.equal(portsOf({ capabilities: ['captured'], listeners: [] }), '10.0.0.7 9000>9000');
  const announced = { ...listener, address: '10.0.0.7', port: 8080 };
  assert.equal(portsOf({ capabilities: ['captured'], listeners: [announced] }), '10.0.0.7 8080>8080 9000>9000');
  // Without rules only what it announces leads through it.
  assert.equal(portsOf({ listeners: [announced] }), '10.0.0.7 8080>8080');
  assert.equal(portsOf({ listeners: [] }), 'none ');
});
