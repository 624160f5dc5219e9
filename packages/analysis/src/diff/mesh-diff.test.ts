import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { forEachSeed } from '@weft/testkit';
import { type Caller, callerResources, compileView } from '../caller-view.ts';
import { Dice, generatedObjects, generatedRequest, generatedRoute, modelOf } from '../generated-mesh-fixture.ts';
import { actionOf } from '../rule-action.ts';
import { diffText } from './diff-text.ts';
import { diffMeshes } from './mesh-diff.ts';

const callers: readonly Caller[] = [
  { namespace: 'shop', gateway: '' },
  { namespace: 'shop', gateway: 'shop/edge' },
];

const service = (name: string): unknown => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
});

const route = (name: string, ...rules: readonly unknown[]): unknown => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name, namespace: 'shop' },
  spec: { parentRefs: [{ group: '', kind: 'Service', name: 'cart' }], rules },
});

const to = (backend: string, path = '/', more: object = {}): unknown => ({
  matches: [{ path: { value: path } }],
  backendRefs: [{ name: backend, port: 80 }],
  ...more,
});

const base = [service('cart'), service('next')];

function diffOf(before: readonly unknown[], after: readonly unknown[]): string {
  return diffText(diffMeshes(modelOf([...base, ...before]), modelOf([...base, ...after])));
}

describe('the difference of two configurations', () => {
  test('is empty for what is written otherwise and does the same', () => {
    const before = [route('a', to('next', '/x'), to('cart'))];
    const same: readonly (readonly unknown[])[] = [
      [route('renamed', to('next', '/x'), to('cart'))],
      [route('a', to('cart'), to('next', '/x'))],
      [route('a', { ...(to('next', '/x') as object), name: 'named' }), route('b', to('cart'))],
      // Never reached, or a repetition of the rule below it.
      [route('a', to('next', '/x'), to('cart'), to('next'))],
      [route('a', to('next', '/x'), to('next', '/x/y'), to('cart'))],
    ];
    for (const after of same) assert.equal(diffOf(before, after), 'no change in behaviour\n');
  });

  test('says what is gained, with what became of such requests before', () => {
    const text = diffOf([route('a', to('cart'))], [route('a', to('cart'), to('next', '/x'))]);
    assert.equal(
      text,
      'shop/cart:80 for all callers\n  + PathPrefix /x: shop/cart:80 -> shop/next:80\n\n1 change in behaviour\n',
    );
  });

  test('says what is lost, what goes elsewhere, and what goes in another way', () => {
    const before = [route('a', to('cart', '/a'), to('cart', '/b'), to('cart', '/c'))];
    const after = [route('a', to('next', '/a'), to('cart', '/c', { timeouts: { request: '2s' } }))];
    assert.equal(
      diffOf(before, after),
      `shop/cart:80 for all callers
  ~ PathPrefix /a: shop/cart:80 -> shop/next:80
  ~ PathPrefix /c: shop/cart:80, in another way
      timeouts.request: none -> 2s
  - PathPrefix /b: shop/cart:80 -> no rule (404)

3 changes in behaviour
`,
    );
  });

  test('tells of two matches of one rank that change places', () => {
    const one = { matches: [{ headers: [{ name: 'a', value: '1' }] }], backendRefs: [{ name: 'cart', port: 80 }] };
    const two = { matches: [{ headers: [{ name: 'b', value: '1' }] }], backendRefs: [{ name: 'next', port: 80 }] };
    assert.match(diffOf([route('a', one, two)], [route('a', two, one)]), /where both match/);
  });

  test('tells callers with rules of their own apart from all others', () => {
    const own = {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'own', namespace: 'web' },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'cart', namespace: 'shop' }],
        rules: [{ timeouts: { request: '1s' }, backendRefs: [{ name: 'cart', namespace: 'shop', port: 80 }] }],
      },
    };
    assert.match(
      diffOf([], [own]),
      /^shop\/cart:80 for callers of web\n {2}~ PathPrefix \/: shop\/cart:80, in another way/,
    );
  });

  test('tells of services, policies, endpoints and what is enforced on arrival', () => {
    const policy = {
      apiVersion: 'weft.dev/v1alpha1',
      kind: 'TrafficPolicy',
      metadata: { name: 'cart', namespace: 'shop' },
      spec: {
        targetRefs: [{ group: '', kind: 'Service', name: 'cart' }],
        outlierDetection: { consecutiveErrors: 9 },
      },
    };
    const entry = (port: number): unknown => ({
      apiVersion: 'weft.dev/v1alpha1',
      kind: 'WorkloadEntry',
      metadata: { name: 'cart-1', namespace: 'shop', labels: { app: 'cart' } },
      spec: { address: '127.0.0.1', ports: [{ name: 'http', port }] },
    });
    const text = diffOf([], [service('third'), policy, entry(80)]);
    assert.match(text, /shop\/third:80 for all callers\n {2}\+ unknown host \(404\) -> a service/);
    assert.match(text, /~ how endpoints are called\n {6}outlierDetection\.consecutiveErrors: \d+ -> 9/);
    assert.match(text, /\+ endpoint shop\/cart-1/);
  });

  test('is empty only where 6,000 generated requests are decided as before', async () => {
    let silent = 0;
    let told = 0;
    await forEachSeed(150, (random) => {
      const dice = new Dice(random);
      const objects = generatedObjects(dice);
      const changed = objects.map((object) => (dice.oneIn(4) ? changeOf(dice, object) : object));
      const [before, after] = [modelOf(objects), modelOf(changed)];
      const changes = diffMeshes(before, after);
      for (const caller of callers) {
        const [old, next] = [before, after].map((model) => compileView(callerResources(model, caller), caller).tables);
        for (let index = 0; index < 20; index += 1) {
          const asked = generatedRequest(dice, caller.gateway !== '');
          const deeds = [old!, next!].map((tables) => {
            const key = tables.names.resolve(asked.authority, 80, 'shop');
            const routes =
              key === '' ? tables.listenerFor(80, asked.authority)?.routes : tables.destination(key)?.routes;
            const entry = routes?.match.find(asked.head);
            if (routes === undefined || entry === undefined) return 'none';
            const { route: where, treatment } = actionOf(routes, entry);
            return `${where} ${treatment}`;
          });
          const subject = caller.gateway === '' ? `shop/${asked.authority}:80` : 'shop/edge/http';
          const said = changes.some((change) => change.area === 'route' && change.subject === subject);
          if (said) told += 1;
          else {
            silent += 1;
            assert.equal(deeds[0], deeds[1], `${asked.method} ${asked.authority}${asked.target}`);
          }
        }
      }
    });
    assert.ok(silent > 2_000 && told > 400, `${silent} ${told}`);
  });
});

/** Another route in its place, or its rules in another order. */
function changeOf(dice: Dice, object: unknown): unknown {
  const { kind, metadata, spec } = object as {
    kind: string;
    metadata: { name: string };
    spec: { rules?: unknown[] };
  };
  if (kind !== 'HTTPRoute') return object;
  if (dice.oneIn(2)) return generatedRoute(dice, metadata.name);
  return { ...(object as object), spec: { ...spec, rules: (spec.rules ?? []).toReversed() } };
}
