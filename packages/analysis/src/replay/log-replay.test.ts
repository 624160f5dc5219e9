import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Model } from '@weft/model';
import { forEachSeed } from '@weft/testkit';
import { callerResources, compileView } from '../caller-view.ts';
import { Dice, generatedObjects, generatedRequest, modelOf } from '../generated-mesh-fixture.ts';
import { actionOf } from '../rule-action.ts';
import { LogReplay, type ReplayReport } from './log-replay.ts';
import { replayText } from './replay-text.ts';

const service = (name: string): unknown => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
});

/** `canary` takes requests with the header, `x` those below /x with the query, `main` the rest. */
function mesh(main: string, x = 'orders', more: object = {}): Model {
  const backend = (name: string): object => ({ backendRefs: [{ name, port: 80 }] });
  return modelOf([
    ...['orders', 'next', 'canary'].map(service),
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name: 'orders', namespace: 'shop' },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'orders' }],
        rules: [
          { name: 'canary', matches: [{ headers: [{ name: 'a', value: '1' }] }], ...backend('canary') },
          { name: 'x', matches: [{ path: { value: '/x' }, queryParams: [{ name: 'q', value: '1' }] }], ...backend(x) },
          { name: 'main', ...backend(main), ...more },
        ],
      },
    },
  ]);
}

function line(rule: string, path = '/', more: object = {}): string {
  const fields = {
    time: '2026-11-22T22:00:00.123Z',
    level: 'info',
    direction: 'outbound',
    protocol: 'http/1.1',
    method: 'GET',
    authority: 'orders',
    path,
    status: 200,
    termination: 'completed',
    durationMs: 1.5,
    attempts: 1,
    source: 'shop/web',
    destination: 'shop/orders:80',
    ...(rule === '' ? {} : { route: 'HTTPRoute shop/orders', rule }),
    upstreamAddress: '10.0.0.1:15443',
    configVersion: '0123456789abcdef',
    ...more,
  };
  return `${JSON.stringify(fields)}\n`;
}

function replay(log: string, next: Model, against: Model | null, chunkChars = log.length): ReplayReport {
  const run = new LogReplay({ next, against, gateway: '' });
  for (let at = 0; at < log.length; at += chunkChars) run.feed(log.slice(at, at + chunkChars));
  return run.finish();
}

function kinds({ counts }: ReplayReport): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}

describe('a replayed log', () => {
  test('counts what would be routed elsewhere by rule, with an example', () => {
    const log = line('main', '/a').repeat(3) + line('x', '/x?q=1');
    const report = replay(log, mesh('next'), mesh('orders'));
    assert.equal(kinds(report), 'same 1, elsewhere 3');
    assert.equal(
      replayText(report),
      `3 of 4 requests would be routed elsewhere
  3  HTTPRoute shop/orders rule main -> shop/orders:80
     now HTTPRoute shop/orders rule main -> shop/next:80
     such as GET orders/a
1 would go where they went
`,
    );
  });

  test('knows from the rule that took a request which headers it had and had not', () => {
    const log = line('canary') + line('main');
    assert.equal(kinds(replay(log, mesh('next'), mesh('orders'))), 'same 1, elsewhere 1');
    // Without that rule it may have been either.
    assert.equal(kinds(replay(line('of another time'), mesh('next'), mesh('orders'))), 'undecidable 1');
  });

  test('tells requests that go to the same place in another way', () => {
    const slower = mesh('orders', 'orders', { timeouts: { request: '2s' } });
    assert.equal(kinds(replay(line('main'), slower, mesh('orders'))), 'otherwise 1');
  });

  test('counts as undecidable what a redacted query or a header decides', () => {
    const report = replay(line('of another time', '/x?redacted'), mesh('orders', 'next'), mesh('orders'));
    assert.equal(kinds(report), 'undecidable 1');
    assert.match(replayText(report), /1 are undecidable: the log lacks\n {2}1 {2}(header a|the query)/);
  });

  test('without the old configuration compares rules by name', () => {
    const only = modelOf([service('orders')]);
    assert.equal(kinds(replay(line('main'), only, null)), 'elsewhere 1');
    assert.equal(kinds(replay(line('main', '/', { authority: 'gone.shop' }), only, null)), 'elsewhere 1');
    const implicit = line('0', '/', { route: 'Service shop/orders' });
    assert.equal(kinds(replay(implicit, only, null)), 'same 1');
    assert.equal(kinds(replay(line('', '/', { termination: 'malformed-request' }), only, null)), 'undecidable 1');
  });

  test('leaves out connections, lines of receivers and what is no line', () => {
    const log =
      line('main', '/', { protocol: 'tcp' }) +
      line('main', '/', { direction: 'inbound' }) +
      'nonsense\n{}\n\n' +
      line('main');
    const report = replay(log, mesh('orders'), mesh('orders'));
    assert.equal(kinds(report), 'same 1, arrived 1, connection 1, unreadable 2');
    assert.match(
      replayText(report),
      /5 lines were read; not counted as requests: 1 told by the receiver, 1 of connections, 2 unreadable/,
    );
  });

  test('is the same however its bytes are cut, and for lines whose texts hold quotes and names of fields', () => {
    const log = [
      line('main', '/a'),
      line('x', '/x?q=1'),
      line('main', '/","rule":"x'),
      line('main', '/a', { authority: 'orders","path":"/x?q=1' }),
      line('canary', '/ä', { source: 'spiffe://cluster.local/ns/shop/sa/web' }),
      line('main', '/a', { zone: 'last' }),
    ].join('');
    const whole = replay(log, mesh('next'), mesh('orders'));
    assert.equal(whole.lines, 6);
    for (let size = 1; size < 40; size += 1) assert.deepEqual(replay(log, mesh('next'), mesh('orders'), size), whole);
  });

  test('never says elsewhere, or the same, of a generated request that is decided otherwise', async () => {
    const seen = new Map<string, number>();
    await forEachSeed(100, (random) => {
      const dice = new Dice(random);
      const [before, after] = [modelOf(generatedObjects(dice)), modelOf(generatedObjects(dice))];
      const caller = { namespace: 'shop', gateway: '' };
      const [old, next] = [before, after].map((model) => compileView(callerResources(model, caller), caller).tables);
      for (let index = 0; index < 20; index += 1) {
        const asked = generatedRequest(dice, false);
        // Preflights are looked up by their headers.
        if (asked.method === 'OPTIONS') continue;
        const key = `shop/${asked.authority}:80`;
        const [was, is] = [old!, next!].map((tables) => {
          const routes = tables.destination(key)!.routes;
          const entry = routes.match.find(asked.head);
          return { entry, routes, action: entry === undefined ? undefined : actionOf(routes, entry) };
        });
        const rule = was!.entry === undefined ? undefined : was!.routes.rules[was!.entry.rule]!;
        const logged = line('', asked.target, {
          method: asked.method,
          authority: asked.authority,
          ...(rule === undefined ? { termination: 'no-route' } : { route: rule.route, rule: rule.rule }),
        });
        const verdict = kinds(replay(logged, after, before)).split(' ')[0]!;
        seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
        if (verdict === 'same') assert.equal(was!.action?.route, is!.action?.route);
        if (verdict === 'elsewhere') assert.notEqual(was!.action?.route, is!.action?.route);
      }
    });
    for (const kind of ['same', 'elsewhere', 'undecidable'])
      assert.ok((seen.get(kind) ?? 0) > 50, `${kind}: ${seen.get(kind)}`);
  });
});
