import assert from 'node:assert/strict';
import { it } from 'node:test';
import { readPodPlan } from './pod-plan.ts';
import { readUncaptured } from './uncaptured-pods.ts';

const proof = {
  name: 'weft-capture',
  args: ['capture', 'prove', '--inbound=all', '--outbound=all', '--exclude-inbound-ports=15020'],
};

function pod(state: object, lastState: object = {}, more: object = {}, container: object = proof): unknown {
  return {
    metadata: { namespace: 'shop', name: 'cart', uid: 'u1', ownerReferences: [{ controller: true }], ...more },
    spec: { initContainers: [container] },
    status: { initContainerStatuses: [{ name: 'weft-capture', state, lastState }] },
  };
}

it('a pod is uncaptured when its proof has failed, and not while it runs, after it passed or when the pod goes', () => {
  const failed = { terminated: { exitCode: 1 } };
  const found = { namespace: 'shop', name: 'cart', uid: 'u1', owned: true };
  assert.deepEqual(readUncaptured(pod(failed)), found);
  assert.deepEqual(readUncaptured(pod({ waiting: { reason: 'CrashLoopBackOff' } }, failed)), found);
  assert.equal(readUncaptured(pod(failed, {}, { ownerReferences: [{ kind: 'Node' }] }))?.owned, false);
  assert.equal(readUncaptured(pod({ running: {} })), undefined);
  assert.equal(readUncaptured(pod({ terminated: { exitCode: 0 } }, failed)), undefined);
  assert.equal(readUncaptured(pod(failed, {}, { deletionTimestamp: 'now' })), undefined);
  assert.equal(readUncaptured(pod(failed, {}, {}, { name: 'weft-capture', args: ['capture', 'apply'] })), undefined);
  assert.equal(readUncaptured({ spec: { initContainers: 'x' } }), undefined);
});

it('what is redirected in a pod is what its proof names', () => {
  const plan = readPodPlan(pod({}));
  assert.ok(plan.ok && plan.value !== null);
  assert.equal(plan.value.inbound, 'all');
  assert.deepEqual(plan.value.excludedInboundPorts, [{ from: 15_020, to: 15_020 }]);
  assert.equal(plan.value.proxyUser, 15_001);
  assert.deepEqual(readPodPlan({ spec: { initContainers: [{ name: 'weft-proxy' }] } }), { ok: true, value: null });
  assert.deepEqual(readPodPlan({}), { ok: true, value: null });
  const wrong = readPodPlan(pod({}, {}, {}, { ...proof, args: ['capture', 'prove', '--inbound=many'] }));
  assert.match(wrong.ok ? '' : wrong.error, /weft-capture asks for what is not understood: --inbound "many"/);
});
