import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RouteDecision, type RouteTable, type Tables, decide, rewrittenTarget } from '@weft/decision';
import { forEachSeed } from '@weft/testkit';
import { type AskedRequest, readAskedRequest } from './asked-request.ts';
import { type Caller, callerResources, compileView } from './caller-view.ts';
import { type Explanation, explainAsked } from './explanation.ts';
import { explanationText } from './explanation-text.ts';
import { Dice, generatedObjects, generatedRequest, modelOf } from './generated-mesh-fixture.ts';

const workload: Caller = { namespace: 'shop', gateway: '' };
const gateway: Caller = { namespace: 'shop', gateway: 'shop/edge' };

function routesFor(tables: Tables, asked: AskedRequest, explained: Explanation): RouteTable | undefined {
  const { way } = explained;
  if (way.kind === 'destination') return tables.destination(way.destination)?.routes;
  return way.kind === 'listener' ? tables.listenerFor(80, asked.authority)?.routes : undefined;
}

/** What one draw of the real decision gives must be what the explanation said. */
function assertAgrees(explained: Explanation, routes: RouteTable, asked: AskedRequest, draw: number): void {
  const decision = new RouteDecision();
  decide(routes, asked.head, () => draw, decision);
  const { record } = explained;
  assert.ok(record !== undefined);
  assert.equal(record.winner?.route, decision.rule?.route);
  assert.equal(record.winner?.rule, decision.rule?.rule);
  if (decision.backendIndex < 0) {
    assert.equal(record.outcome, decision.kind);
    assert.equal(record.code, decision.code);
    assert.equal(record.status, decision.reply?.status ?? 0);
    assert.deepEqual(record.backends, []);
    return;
  }
  assert.equal(record.outcome, 'draw');
  const drawn = record.backends[decision.backendIndex];
  assert.ok(drawn !== undefined && drawn.share > 0);
  assert.equal(drawn.refused ?? 'completed', decision.code);
  assert.equal(drawn.backend, decision.choice?.key);
  const { head } = asked;
  const sent = head.query === '' ? head.path : `${head.path}?${head.query}`;
  assert.equal(drawn.target, rewrittenTarget(decision.choice!, decision.entry, head) || sent);
  assert.equal(explained.edits[decision.backendIndex]?.host, decision.choice?.rewrite?.hostname ?? '');
}

const small = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'orders', namespace: 'shop' },
    spec: { selector: { app: 'orders' }, ports: [{ name: 'http', port: 80 }] },
  },
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name: 'orders', namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name: 'orders' }],
      rules: [
        {
          name: 'canary',
          matches: [{ headers: [{ name: 'x-version', value: '2' }] }],
          backendRefs: [{ name: 'orders', port: 80 }],
        },
        { matches: [{ path: { value: '/items' }, method: 'GET' }], backendRefs: [{ name: 'gone', port: 80 }] },
      ],
    },
  },
];

function explainSmall(method: string, url: string, ...fields: readonly string[]): Explanation {
  const asked = readAskedRequest(method, url, fields);
  assert.ok(asked.ok, asked.ok ? '' : asked.error);
  return explainAsked(compileView(callerResources(modelOf(small), workload), workload).tables, workload, asked.value);
}

describe('an explanation', () => {
  test('is what is decided, for 10,000 generated requests to generated meshes', async () => {
    const outcomes = new Map<string, number>();
    await forEachSeed(250, (random) => {
      const dice = new Dice(random);
      const model = modelOf(generatedObjects(dice));
      for (const caller of [workload, gateway]) {
        const { tables, errors } = compileView(callerResources(model, caller), caller);
        assert.deepEqual(errors, []);
        for (let index = 0; index < 20; index += 1) {
          const asked = generatedRequest(dice, caller === gateway);
          const explained = explainAsked(tables, caller, asked);
          const routes = routesFor(tables, asked, explained);
          assert.ok(routes !== undefined, `${asked.authority}: ${JSON.stringify(explained.way)}`);
          for (const draw of [0, 0.2, 0.4, 0.6, 0.8, 0.999]) assertAgrees(explained, routes, asked, draw);
          const record = explained.record!;
          if (record.outcome === 'draw') {
            assert.ok(Math.abs(record.backends.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-9);
          }
          assert.equal(record.passedOverCount, routes.match.entries.length - (record.winner === undefined ? 0 : 1));
          outcomes.set(record.outcome, (outcomes.get(record.outcome) ?? 0) + 1);
        }
      }
    });
    assert.equal(
      [...outcomes.values()].reduce((sum, count) => sum + count, 0),
      10_000,
    );
    // A generator that hits one outcome only would prove nothing of the others.
    for (const outcome of ['draw', 'reply', 'refuse']) assert.ok(outcomes.get(outcome)! > 200, outcome);
  });

  test('names the field for which each other rule was passed over', () => {
    const { record, match } = explainSmall('GET', 'http://orders/items/1?x=1', 'X-Version: 3');
    assert.equal(record?.winner?.rule, '1');
    assert.equal(match?.method, 'GET');
    assert.deepEqual(
      record.passedOver.map(({ rule, field, name, expected, actual }) => [rule, field, name, expected, actual]),
      [['canary', 'header', 'x-version', '2', '3']],
    );
    assert.equal(record.backends[0]?.refused, 'backend-not-found');
  });

  test('tells what a host is that is no service, and what ports a service has', () => {
    const { way, status } = explainSmall('GET', 'http://orders.shop:81/');
    assert.deepEqual(way, { kind: 'refused', code: 'unknown-host', detail: 'orders.shop has no port 81, it has 80' });
    assert.equal(status, 404);
    assert.deepEqual(explainSmall('GET', 'http://example.com/').way, {
      kind: 'outside',
      host: 'example.com',
      port: 80,
    });
  });

  test('refuses what no client could send, and line breaks above all', () => {
    const cases: readonly [string, string, readonly string[], RegExp][] = [
      ['GET', 'orders/x', [], /expected a URL/],
      ['GE T', 'http://orders/', [], /no method/],
      ['GET', 'http://orders/', ['nonsense'], /expected a header/],
      ['GET', 'http://orders/', ['a: b\r\nhost: evil'], /expected a header|no line breaks/],
      ['GET', 'http://ord ers/', [], /no such request can be sent/],
      ['GET', 'http://user@orders/', [], /no such request can be sent/],
    ];
    for (const [method, url, fields, pattern] of cases) {
      const read = readAskedRequest(method, url, fields);
      assert.match(read.ok ? 'taken' : read.error, pattern);
    }
  });

  test('as text says destination, rule, outcome, policy with its sources, and why not another rule', () => {
    const text = explanationText(explainSmall('POST', 'http://orders/', 'x-version: 2'), {
      'timeouts.connect': 'TrafficPolicy shop/slow',
    });
    assert.equal(
      text,
      `POST http://orders/ from workloads of namespace shop

  destination shop/orders:80 (HTTP/1.1)
  rule        HTTPRoute shop/orders, rule canary, match 0
  matched by  PathPrefix /, header x-version = 2
  outcome     forwarded
  timeouts    request none
              each try none
              connect 1s (TrafficPolicy shop/slow)
              idle 5m
  retries     up to 2 more on NeverSent, ResetBeforeHeaders, GatewayError; at most 20 % of requests; once sent, POST is not tried again

    100 %  shop/orders:80  /
           no endpoint: its share is refused with 503 (no-endpoint)

  passed over (1)
    HTTPRoute shop/orders rule 1 match 0: PathPrefix /items
      path: expected /items, the request has /
`,
    );
  });

  test('as text stays on its lines whatever a request holds', () => {
    const explained = explainSmall('GET', 'http://orders/items', 'x-version: \u00e9\u0085x');
    assert.ok(!/[\u0080-\u009f\u001b]/.test(explanationText(explained)));
  });
});
