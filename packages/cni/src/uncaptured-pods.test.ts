import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readPodPlan } from './pod-plan.ts';
import { readUncaptured } from './uncaptured-pods.ts';

const rules = '--inbound=all --outbound=all --exclude-inbound-ports=15020';
const sidecar = { name: 'weft-proxy', env: [{ name: 'WEFT_CAPTURE_RULES', value: rules }] };
/** As pods were made before the sidecar proved its rules itself. */
const earlier = { name: 'weft-capture', args: ['capture', 'prove', ...rules.split(' ')] };
const found = {
  namespace: 'shop',
  name: 'cart',
  uid: 'u1',
  owned: true,
  ending: 'container weft-proxy ended with code 4',
};

function pod(state: object, lastState: object = {}, more: object = {}, container: { name: string } = sidecar): unknown {
  return {
    metadata: { namespace: 'shop', name: 'cart', uid: 'u1', ownerReferences: [{ controller: true }], ...more },
    spec: { initContainers: [container] },
    status: { initContainerStatuses: [{ name: container.name, state, lastState }] },
  };
}

describe('a pod is uncaptured', () => {
  const failed = { terminated: { exitCode: 4 } };

  it('when its sidecar ended because it found no rules, also while that waits to start again', () => {
    assert.deepEqual(readUncaptured(pod(failed)), found);
    assert.deepEqual(readUncaptured(pod({ waiting: { reason: 'CrashLoopBackOff' } }, failed)), found);
    assert.equal(readUncaptured(pod(failed, {}, { ownerReferences: [{ kind: 'Node' }] }))?.owned, false);
  });

  it('and it is told which container ended, with which code, and the last that it said', () => {
    const ended = { exitCode: 4, reason: 'Error', message: '{"level":"info"}\nwhat leaves does not come back\n' };
    assert.equal(
      readUncaptured(pod({ waiting: {} }, { terminated: ended }))?.ending,
      'container weft-proxy ended with code 4, Error: what leaves does not come back',
    );
    const long = readUncaptured(pod({ terminated: { ...ended, message: 'x'.repeat(2_048) } }));
    assert.equal(long?.ending, `container weft-proxy ended with code 4, Error: ${'x'.repeat(300)}`);
  });

  it('not when the sidecar ended for any other reason, runs, or goes with its pod', () => {
    for (const exitCode of [0, 1, 3, 137, 143])
      assert.equal(readUncaptured(pod({ terminated: { exitCode } })), undefined);
    assert.equal(readUncaptured(pod({ running: {} })), undefined);
    assert.equal(readUncaptured(pod({ running: {} }, failed)), undefined);
    assert.equal(readUncaptured(pod(failed, {}, { deletionTimestamp: 'now' })), undefined);
    assert.equal(readUncaptured(pod(failed, {}, {}, { name: 'weft-proxy' })), undefined);
    assert.equal(readUncaptured({ spec: { initContainers: 'x' } }), undefined);
  });

  it('when the container that proved it in pods of before failed', () => {
    const ended = { terminated: { exitCode: 1 } };
    const ending = 'container weft-capture ended with code 1';
    assert.deepEqual(readUncaptured(pod(ended, {}, {}, earlier)), { ...found, ending });
    assert.deepEqual(readUncaptured(pod({ waiting: {} }, ended, {}, earlier)), { ...found, ending });
    assert.equal(readUncaptured(pod({ terminated: { exitCode: 0 } }, ended, {}, earlier)), undefined);
    const own = { name: 'weft-capture', args: ['capture', 'apply'] };
    assert.equal(readUncaptured(pod(ended, {}, {}, own)), undefined);
  });
});

it('what is redirected in a pod is what its proof names', () => {
  for (const container of [sidecar, earlier]) {
    const plan = readPodPlan(pod({}, {}, {}, container));
    assert.ok(plan.ok && plan.value !== null);
    assert.equal(plan.value.inbound, 'all');
    assert.deepEqual(plan.value.excludedInboundPorts, [{ from: 15_020, to: 15_020 }]);
    assert.equal(plan.value.proxyUser, 15_001);
  }
  assert.deepEqual(readPodPlan({ spec: { initContainers: [{ name: 'weft-proxy' }] } }), { ok: true, value: null });
  assert.deepEqual(readPodPlan({}), { ok: true, value: null });
  const many = { name: 'weft-proxy', env: [{ name: 'WEFT_CAPTURE_RULES', value: '--inbound=many' }] };
  const wrong = readPodPlan(pod({}, {}, {}, many));
  assert.match(wrong.ok ? '' : wrong.error, /weft-proxy asks for what is not understood: --inbound "many"/);
});
