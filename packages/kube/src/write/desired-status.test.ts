import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition, ParentStatus } from '@weft/model';
import { type DesiredStatus, mergeStatus } from './desired-status.ts';

const NOW = '2026-01-02T00:00:00Z';
const BEFORE = '2026-01-01T00:00:00Z';

function condition(type: Condition['type'], status: 'True' | 'False', reason: string, generation = 1): Condition {
  return { type, status, reason, message: '', observedGeneration: generation };
}

function parent(name: string, conditions: readonly Condition[]): ParentStatus {
  return {
    parent: { group: '', kind: 'Service', namespace: 'shop', name, sectionName: '', port: 0 },
    controllerName: 'weft.dev/mesh-controller',
    conditions,
  };
}

function desired(kind: string, own: Partial<DesiredStatus>): DesiredStatus {
  return {
    kind,
    namespace: 'shop',
    name: 'x',
    conditions: [],
    parents: [],
    listeners: [],
    programmed: undefined,
    ...own,
  };
}

test("others' entries of a route stay as they are, ours are replaced, and those of parents that went are removed", () => {
  const foreign = { parentRef: { name: 'edge' }, controllerName: 'other.example/controller', conditions: [] };
  const old = {
    parentRef: { group: '', kind: 'Service', namespace: 'shop', name: 'gone' },
    controllerName: 'weft.dev/mesh-controller',
    conditions: [],
  };
  const route = desired('HTTPRoute', { parents: [parent('orders', [condition('Accepted', 'True', 'Accepted')])] });
  const merged = mergeStatus(route, { parents: [foreign, old] }, NOW) as { parents: { parentRef: { name: string } }[] };
  assert.deepEqual(
    merged.parents.map(({ parentRef }) => parentRef.name),
    ['edge', 'orders'],
  );
  assert.equal(merged.parents[0], foreign);
});

test('a status that says it all already is not written', () => {
  const route = desired('HTTPRoute', {
    parents: [parent('orders', [condition('Accepted', 'True', 'Accepted')])],
    programmed: condition('Programmed', 'True', 'Programmed'),
  });
  const written = mergeStatus(route, undefined, BEFORE);
  assert.ok(written !== undefined);
  assert.equal(mergeStatus(route, JSON.parse(JSON.stringify(written)), NOW), undefined);
});

test('the time of a condition moves with its status and with nothing else', () => {
  const first = mergeStatus(
    desired('TrafficPolicy', { conditions: [condition('Accepted', 'True', 'Accepted', 1)] }),
    {},
    BEFORE,
  );
  const second = mergeStatus(
    desired('TrafficPolicy', { conditions: [condition('Accepted', 'True', 'Accepted', 2)] }),
    first,
    NOW,
  );
  const third = mergeStatus(
    desired('TrafficPolicy', { conditions: [condition('Accepted', 'False', 'Conflicted', 2)] }),
    second,
    NOW,
  );
  const timeOf = (status: unknown): string =>
    (status as { conditions: { lastTransitionTime: string }[] }).conditions[0]!.lastTransitionTime;
  assert.deepEqual([timeOf(first), timeOf(second), timeOf(third)], [BEFORE, BEFORE, NOW]);
});

test('a policy with targets says in its own conditions whether it holds at all of them', () => {
  const policy = desired('TrafficPolicy', {
    parents: [
      parent('a', [condition('Accepted', 'True', 'Accepted')]),
      parent('b', [condition('Accepted', 'False', 'TargetNotFound')]),
    ],
  });
  const merged = mergeStatus(policy, {}, NOW) as { conditions: { reason: string }[]; ancestors: unknown[] };
  assert.equal(merged.conditions[0]!.reason, 'TargetNotFound');
  assert.equal(merged.ancestors.length, 2);
});

test('conditions of a Gateway that others wrote stay, and its addresses too', () => {
  const gateway = desired('Gateway', {
    conditions: [condition('Accepted', 'True', 'Accepted')],
    listeners: [{ name: 'http', attachedRoutes: 2, conditions: [condition('Accepted', 'True', 'Accepted')] }],
  });
  const before = {
    addresses: [{ value: '192.0.2.1' }],
    conditions: [
      { type: 'example.com/Billing', status: 'True', lastTransitionTime: BEFORE, reason: 'Paid', message: '' },
    ],
  };
  const merged = mergeStatus(gateway, before, NOW) as {
    addresses: unknown;
    conditions: { type: string }[];
    listeners: { attachedRoutes: number }[];
  };
  assert.deepEqual(merged.addresses, before.addresses);
  assert.deepEqual(
    merged.conditions.map(({ type }) => type),
    ['example.com/Billing', 'Accepted'],
  );
  assert.equal(merged.listeners[0]!.attachedRoutes, 2);
});

test('what is not ours to report on is left alone', () => {
  assert.equal(mergeStatus(desired('Gateway', {}), { conditions: [] }, NOW), undefined);
  assert.equal(
    mergeStatus(desired('HTTPRoute', {}), { parents: [{ controllerName: 'other.example/x' }] }, NOW),
    undefined,
  );
});
