/** Objects that somebody means ill, or an old definition let through: each is refused alone, with what to do, and the rest goes on. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ScriptedApiServer, type ScriptedObject, eventually } from '@weft/testkit';
import type { ObjectStatus } from '@weft/wire';
import type { ControlPlane } from '../control-options.ts';
import { startTestControl } from '../control-harness.ts';

const WAIT_MS = 10_000;
const GATEWAY = 'gateway.networking.k8s.io';

async function place(t: TestContext): Promise<{ server: ScriptedApiServer; control: ControlPlane }> {
  const server = new ScriptedApiServer();
  server.define({ group: GATEWAY, version: 'v1', kind: 'HTTPRoute', plural: 'httproutes', namespaced: true });
  server.define({
    group: 'weft.dev',
    version: 'v1alpha1',
    kind: 'TrafficPolicy',
    plural: 'trafficpolicies',
    namespaced: true,
  });
  server.put(service('orders', [{ port: 80 }]));
  const url = await server.listen();
  t.after(() => server.close());
  const access = { description: 'a scripted server', server: url, token: () => '', namespace: 'weft-system' };
  const { control } = await startTestControl(t, { cluster: { access, replica: 'one', namespace: 'weft-system' } });
  return { server, control };
}

function service(name: string, ports: readonly object[] | undefined): ScriptedObject {
  const spec = { selector: { app: name }, ...(ports === undefined ? {} : { ports }) };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec };
}

function route(name: string, spec: unknown, annotations: Readonly<Record<string, string>> = {}): ScriptedObject {
  const metadata = { name, namespace: 'shop', annotations };
  return { apiVersion: `${GATEWAY}/v1`, kind: 'HTTPRoute', metadata, spec };
}

const parentRefs = (name: string): object[] => [{ group: '', kind: 'Service', name, port: 80 }];

function objectIn(control: ControlPlane, kind: string, name: string): ObjectStatus | undefined {
  return control.status().objects.find((object) => object.kind === kind && object.name === name);
}

function problemsOf(control: ControlPlane, kind: string, name: string): ObjectStatus['problems'] {
  return objectIn(control, kind, name)?.problems ?? [];
}

/** A route made afterwards is in force: nothing hangs, and nothing was taken down. */
async function stillWorks(server: ScriptedApiServer, control: ControlPlane): Promise<void> {
  server.put(
    route('good', { parentRefs: parentRefs('orders'), rules: [{ backendRefs: [{ name: 'orders', port: 80 }] }] }),
  );
  await eventually(() => {
    const accepted = objectIn(control, 'HTTPRoute', 'good')?.conditions.find(({ type }) => type === 'Accepted');
    return accepted?.status === 'True';
  }, WAIT_MS);
}

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = { a: value };
  return value;
}

test('a route of ten thousand rules is refused at its list, at once, and says how many may be there', async (t) => {
  const { server, control } = await place(t);
  const rules = Array.from({ length: 10_000 }, (_, index) => ({
    matches: [{ path: { type: 'PathPrefix', value: `/${index}` } }],
    backendRefs: [{ name: 'orders', port: 80 }],
  }));
  const started = process.cpuUsage();
  server.put(route('many', { parentRefs: parentRefs('orders'), rules }));
  await eventually(() => problemsOf(control, 'HTTPRoute', 'many').length > 0, WAIT_MS);
  const { user, system } = process.cpuUsage(started);
  assert.ok(user + system < 5_000_000, `${user + system} µs of processor`);
  const [problem] = problemsOf(control, 'HTTPRoute', 'many');
  assert.equal(problem?.path, 'spec.rules');
  assert.match(`${problem?.message} ${problem?.expected} ${problem?.fix}`, /16/);
  await stillWorks(server, control);
});

test('wrong types that an old definition let through are refused at their path, whatever they are', async (t) => {
  const { server, control } = await place(t);
  const wrong: readonly (readonly [string, unknown, RegExp])[] = [
    ['number', 5, /^spec$/],
    ['text', 'x', /^spec$/],
    ['list', [], /^spec$/],
    ['rules', { parentRefs: parentRefs('orders'), rules: 'all' }, /^spec\.rules$/],
    ['rule', { parentRefs: parentRefs('orders'), rules: [null, 7] }, /^spec\.rules\[\d\]/],
    ['weight', { rules: [{ backendRefs: [{ name: 'orders', port: 80, weight: '1e9' }] }] }, /weight$/],
    [
      'long',
      { rules: [{ matches: [{ path: { type: 'PathPrefix', value: `/${'a'.repeat(1_000_000)}` } }] }] },
      /value$/,
    ],
    ['deep', { rules: [{ matches: [{ path: deep(5_000) }] }] }, /^spec/],
  ];
  for (const [name, spec] of wrong) server.put(route(name, spec));
  for (const [name, , path] of wrong) {
    await eventually(() => problemsOf(control, 'HTTPRoute', name).length > 0, WAIT_MS);
    const problems = problemsOf(control, 'HTTPRoute', name);
    assert.ok(
      problems.some((problem) => path.test(problem.path) && `${problem.expected}${problem.fix}` !== ''),
      `${name}: ${JSON.stringify(problems).slice(0, 300)}`,
    );
  }
  await stillWorks(server, control);
});

test('annotations as large as a server keeps them cost nothing and refuse nothing', async (t) => {
  const { server, control } = await place(t);
  const rules = [{ backendRefs: [{ name: 'orders', port: 80 }] }];
  server.put(route('huge', { parentRefs: parentRefs('orders'), rules }, { note: 'x'.repeat(250_000) }));
  await eventually(() => objectIn(control, 'HTTPRoute', 'huge') !== undefined, WAIT_MS);
  assert.deepEqual(problemsOf(control, 'HTTPRoute', 'huge'), []);
  await stillWorks(server, control);
});

test('a Service without ports is no destination, and a route to it says so', async (t) => {
  const { server, control } = await place(t);
  server.put(service('bare', undefined));
  server.put(service('empty', []));
  const rules = [{ backendRefs: [{ name: 'bare', port: 80 }] }];
  server.put(route('to-bare', { parentRefs: parentRefs('orders'), rules }));
  await eventually(() => objectIn(control, 'HTTPRoute', 'to-bare') !== undefined, WAIT_MS);
  const resolved = objectIn(control, 'HTTPRoute', 'to-bare')?.conditions.find(({ type }) => type === 'ResolvedRefs');
  assert.equal(resolved?.status, 'False');
  assert.match(resolved?.message ?? '', /bare/);
  await stillWorks(server, control);
});

test('references in a circle end: a route to its own parent, two that point at each other, a mirror of itself', async (t) => {
  const { server, control } = await place(t);
  for (const name of ['a', 'b']) server.put(service(name, [{ port: 80 }]));
  const to = (name: string): object => ({ backendRefs: [{ name, port: 80 }] });
  server.put(route('itself', { parentRefs: parentRefs('orders'), rules: [to('orders')] }));
  server.put(route('there', { parentRefs: parentRefs('a'), rules: [to('b')] }));
  const mirror = { type: 'RequestMirror', requestMirror: { backendRef: { name: 'a', port: 80 } } };
  server.put(route('back', { parentRefs: parentRefs('b'), rules: [{ ...to('a'), filters: [mirror] }] }));
  for (const name of ['itself', 'there', 'back']) {
    await eventually(() => {
      const object = objectIn(control, 'HTTPRoute', name);
      return object?.conditions.find(({ type }) => type === 'ResolvedRefs')?.status === 'True';
    }, WAIT_MS);
  }
  await stillWorks(server, control);
});
