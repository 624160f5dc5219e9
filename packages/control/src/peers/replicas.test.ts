import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '@weft/testkit';
import { PeerClient, type WhyResponse } from '@weft/wire';
import { RecordedLog, type TestProxy, joinMesh, startTestProxy } from '../control-harness.ts';
import { exampleHop } from '../observation/hop-fixture.ts';
import { DESTINATION, ORDERS, Replicas, WAIT_MS, pod, slice } from './replica-fixture.ts';

/** `address:port identity` of each endpoint; without one it would be called in plaintext. */
function called(caller: TestProxy): string[] {
  return (caller.get(`endpoints:${DESTINATION}`)?.endpoints ?? []).map(
    ({ address, port, identity, mesh }) => `${address}:${port} ${mesh ? identity : 'plaintext'}`,
  );
}

const throughMesh = [`10.0.0.1:8080 ${ORDERS}`];

test('a pod whose sidecar is connected to another replica is called through the mesh, under its identity', async (t) => {
  const bench = await new Replicas(t).open();
  const one = await bench.replica('one');
  const two = await bench.replica('two');
  await bench.sidecar(two);
  assert.deepEqual(called(await bench.caller(one)), throughMesh);
  assert.deepEqual(called(await bench.caller(two)), throughMesh);
});

test('a replica that no sidecar is connected to serves pods as members of the mesh at once', async (t) => {
  const bench = await new Replicas(t).open();
  bench.server.put(pod('orders-2', { address: '10.0.0.2', account: 'orders', injected: false }));
  bench.server.put(slice(['orders-1', '10.0.0.1'], ['orders-2', '10.0.0.2']));
  const caller = await bench.caller(await bench.replica('one'));
  // A pod without a sidecar stays what it is.
  assert.deepEqual(called(caller), [...throughMesh, '10.0.0.2:8080 plaintext']);
});

test('a pod whose stream is lost stays in the mesh as long as it stands', async (t) => {
  const bench = await new Replicas(t).open();
  const one = await bench.replica('one');
  const caller = await bench.caller(one);
  const sidecar = await bench.sidecar(one);
  await eventually(() => sidecar.isComplete, WAIT_MS);
  sidecar.client.stop();
  const states = (): string[] => one.control.status().proxies.map(({ name, state }) => `${name} ${state}`);
  await eventually(() => states().includes('shop/orders-1 Lost'), WAIT_MS);
  bench.pass(10_000);
  await eventually(() => states().every((state) => !state.startsWith('shop/orders-1')), WAIT_MS);
  assert.deepEqual(called(caller), throughMesh);
  // A pod that is told to end is called no more, whoever knows its sidecar.
  bench.server.put(pod('orders-1', { address: '10.0.0.1', account: 'orders', terminating: true }));
  await eventually(() => called(caller).length === 0, WAIT_MS);
});

test('a drain waits for callers of the other replica, and counts them', async (t) => {
  const bench = await new Replicas(t).open();
  const one = await bench.replica('one');
  const two = await bench.replica('two');
  const caller = await bench.caller(one);
  const sidecar = await bench.sidecar(two);
  await eventually(() => sidecar.isComplete, WAIT_MS);
  caller.hold();
  sidecar.report({ draining: true });
  let isTold = false;
  const end = two.control.watchEvents(({ type }) => (isTold ||= type === 'proxy-draining'));
  await eventually(() => isTold, WAIT_MS);
  end();
  assert.deepEqual(sidecar.drains, []);
  caller.release();
  await eventually(() => sidecar.drains.length === 1, WAIT_MS);
  assert.deepEqual(called(caller), []);
  const { reason, subscribers, acknowledged } = sidecar.drains[0]!;
  assert.deepEqual({ reason, subscribers, acknowledged }, { reason: 'Withdrawn', subscribers: 1, acknowledged: 1 });
});

test('what a sidecar alone knows reaches callers of the other replica: a listener of an explicit proxy', async (t) => {
  const bench = await new Replicas(t).open();
  bench.server.put(pod('orders-1', { address: '10.0.0.1', account: 'orders', capture: '' }));
  const one = await bench.replica('one');
  const two = await bench.replica('two');
  const caller = await bench.caller(one);
  assert.deepEqual(called(caller), ['10.0.0.1:8080 plaintext']);
  const listeners = [{ applicationPort: 8080, name: 'http', address: '10.0.0.1', port: 15_008 }];
  const sidecar = await bench.sidecar(two, { capabilities: [], listeners });
  await eventually(() => called(caller)[0] === `10.0.0.1:15008 ${ORDERS}`, WAIT_MS);
  // It leaves, and the callers of the other one know; in plaintext it is called no more.
  sidecar.report({ draining: true });
  await eventually(() => called(caller).length === 0, WAIT_MS);
});

test('a replica that starts knows at once what the others know', async (t) => {
  const bench = await new Replicas(t).open();
  bench.server.put(pod('orders-1', { address: '10.0.0.1', account: 'orders', capture: '' }));
  const one = await bench.replica('one');
  const listeners = [{ applicationPort: 8080, name: 'http', address: '10.0.0.1', port: 15_008 }];
  const sidecar = await bench.sidecar(one, { capabilities: [], listeners });
  await eventually(() => sidecar.isComplete, WAIT_MS);
  const caller = await bench.caller(await bench.replica('two'));
  assert.deepEqual(called(caller), [`10.0.0.1:15008 ${ORDERS}`]);
});

test('a replica that starts waits two seconds, and no longer, for one that is said to be ready and is not there', async (t) => {
  const bench = await new Replicas(t).open();
  bench.claimReady('two');
  const log = new RecordedLog();
  let isStarted = false;
  const starting = bench.replica('one', { log }).finally(() => (isStarted = true));
  await eventually(() => log.lines.some((line) => /replica two at .* is not reached/.test(line)), WAIT_MS);
  assert.equal(isStarted, false);
  bench.pass(2_000);
  assert.deepEqual(called(await bench.caller(await starting)), throughMesh);
});

test('a replica that does not answer delays a drain by no more than its wait, and is named in the log', async (t) => {
  const bench = await new Replicas(t).open();
  const one = await bench.replica('one');
  const sidecar = await bench.sidecar(one);
  await eventually(() => sidecar.isComplete, WAIT_MS);
  bench.claimReady('two');
  await eventually(() => one.log.lines.some((line) => /replica two at .* is not reached/.test(line)), WAIT_MS);
  sidecar.report({ draining: true });
  await eventually(() => sidecar.drains.length === 1, 6500);
  assert.ok(one.log.lines.some((line) => /callers of shop\/orders-1 at replica two were not waited for/.test(line)));
});

test('nobody but a control plane may tell', async (t) => {
  const bench = await new Replicas(t).open();
  const one = await bench.replica('one');
  const { control } = one;
  const identity = await joinMesh(control, 'web');
  const client = new PeerClient(control.address, identity.tls());
  t.after(() => client.close());
  const told = await client.tell({
    replica: 'two',
    whole: true,
    instances: [],
    removed: ['shop/orders-1'],
    awaitMs: 0,
    asks: true,
  });
  assert.ok(!told.ok && told.error.code === 'PermissionDenied');
  assert.match(told.error.message, /sa\/web is no control plane/);
  assert.deepEqual(called(await bench.caller(one)), throughMesh);
});

test('a request is found whatever replica its sidecars are connected to, and a replica that is gone is named', async (t) => {
  const bench = await new Replicas(t).open();
  const one = await bench.replica('one');
  const two = await bench.replica('two');
  const reach = { records: 3, samplesSinceMs: 1, errorsSinceMs: 0, sampledOneIn: 1, rings: 1 };
  const hop = (direction: 'Inbound' | 'Outbound') => exampleHop({ requestId: 'r1', direction });
  const web = await startTestProxy(one, {
    service: 'web',
    instance: 'web-1',
    ephemeral: false,
    why: () => Promise.resolve({ hops: [hop('Outbound')], reach }),
  });
  const orders = await bench.sidecar(two, { why: () => Promise.resolve({ hops: [hop('Inbound')], reach }) });
  await eventually(() => web.isComplete && orders.isComplete, WAIT_MS);
  const admin = bench.admin(one);
  const why = async (): Promise<WhyResponse> => {
    const answer = await admin.why('r1');
    assert.ok(answer.ok);
    return answer.value;
  };
  let found = await why();
  // The first replica has looked for the second before it was there.
  let isAsking = false;
  await eventually(() => {
    if (!isAsking) {
      isAsking = true;
      void why().then((answer) => {
        found = answer;
        isAsking = false;
      });
    }
    return found.hops.length === 2 && found.rings.every(({ silent }) => silent === '');
  }, 3 * WAIT_MS);
  assert.deepEqual(found.hops.map(({ proxy, hop: { direction } }) => `${proxy} ${direction}`).sort(), [
    'shop/orders-1 Inbound',
    'shop/web-1 Outbound',
  ]);
  assert.deepEqual(
    found.rings.map(({ proxy, silent, reach: known }) => [proxy, silent, known?.records]),
    [
      ['shop/orders-1', '', 3],
      ['shop/web-1', '', 3],
    ],
  );
  orders.client.stop();
  await two.control.stop();
  const alone = await why();
  assert.match(alone.rings[0]!.proxy, /^replica two$/);
  assert.match(alone.rings[0]!.silent, /sidecars were not asked/);
  assert.deepEqual(
    alone.hops.map(({ proxy }) => proxy),
    ['shop/web-1'],
  );
});
