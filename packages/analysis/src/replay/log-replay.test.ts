import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { seededRandom } from '@weft/kernel';
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

function replay(log: string, next: Model, against: Model | null, chunkBytes = 1 << 20): ReplayReport {
  const run = new LogReplay({ next, against, gateway: '' });
  const bytes = Buffer.from(log);
  // What was fed may be overwritten.
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = Buffer.from(bytes.subarray(at, at + chunkBytes));
    run.feed(chunk);
    chunk.fill(0);
  }
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

  test('decides a line that it knows by its parts as it decides one that it reads whole', async () => {
    const seen = new Map<string, number>();
    await forEachSeed(60, (random) => {
      const dice = new Dice(random);
      const [before, after] = [modelOf(generatedObjects(dice)), modelOf(generatedObjects(dice))];
      const lines = Array.from({ length: 150 }, () => {
        const { method, authority, target } = generatedRequest(dice, dice.oneIn(3));
        const more = {
          method,
          authority: dice.oneIn(30) ? dice.of(['nobody', 'a "quoted" name', '']) : authority,
          source: dice.of(['shop/web', 'shop/web', 'spiffe://mesh/ns/bank/sa/web', 'unknown', '']),
          ...(dice.oneIn(12) ? { direction: 'inbound' } : {}),
          ...(dice.oneIn(12) ? { protocol: 'tcp' } : {}),
          ...(dice.oneIn(12) ? { route: '', termination: 'no-route' } : {}),
          ...(dice.oneIn(12) ? { upstreamAddress: 'x","rule":"y' } : {}),
        };
        const path = dice.of([target, target, target, target.replace(/\?.*/, '?redacted'), `${target}ä`, `${target}"`]);
        return line(dice.of(['0', '1', '2']), path, { route: `HTTPRoute shop/route-${dice.number(3)}`, ...more });
      });
      for (const against of [before, null]) {
        const known = replay(lines.join(''), after, against);
        // A line that begins otherwise than ours do is read whole.
        const read = replay(lines.map((text) => ` ${text}`).join(''), after, against);
        assert.deepEqual(known, read);
        for (const [kind, count] of Object.entries(known.counts)) seen.set(kind, (seen.get(kind) ?? 0) + count);
      }
    });
    for (const kind of ['same', 'elsewhere', 'otherwise', 'undecidable', 'arrived', 'connection'])
      assert.ok((seen.get(kind) ?? 0) > 100, `${kind}: ${seen.get(kind)}`);
  });

  test('tells lines apart by path, rule, caller and query alike, whichever part of them was met before', () => {
    const path = (type: string, value: string, query?: string): object => ({
      path: { type, value },
      ...(query === undefined ? {} : { queryParams: [{ name: 'q', value: query }] }),
    });
    const routes = (name: string, places: readonly (readonly [object, string])[]): unknown => ({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'HTTPRoute',
      metadata: { name, namespace: 'shop' },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'orders' }],
        rules: places.map(([match, target], index) => ({
          name: `${index}`,
          matches: [match],
          backendRefs: [{ name: target, port: 80 }],
        })),
      },
    });
    const prefix = (value: string, query?: string): object => path('PathPrefix', value, query);
    const services = ['orders', 'next', 'canary'].map(service);
    const first = [prefix('/a'), path('Exact', '/a/b'), prefix('/c', '1'), { headers: [{ name: 'h', value: '1' }] }];
    const second = [prefix('/a/b'), path('Exact', '/a/c'), prefix('/a', '1'), prefix('/c/d'), prefix('/c')];
    const before = modelOf([
      ...services,
      routes(
        'orders',
        first.map((match) => [match, 'orders'] as const),
      ),
    ]);
    const after = modelOf([
      ...services,
      routes(
        'orders',
        second.map((match, index) => [match, ['next', 'orders', 'canary'][index % 3]!] as const),
      ),
    ]);
    const lines: string[] = [];
    for (const where of ['/a', '/a/b', '/a/b/', '/a/c', '/a/c/d', '/c', '/c/d', '/c/d/e', '/d', '/']) {
      for (const query of ['', '?', '?q=1', '?q=2', '?redacted', '?redacted&q=1']) {
        for (const rule of ['0', '1', '2', '3', '4']) {
          for (const source of ['shop/web', 'bank/web']) lines.push(line(rule, where + query, { source }));
        }
      }
    }
    const dice = new Dice(seededRandom(1));
    const mixed = Array.from({ length: 4_000 }, () => dice.of(lines));
    for (const against of [before, null]) {
      // By one replay that remembers, and by one of its own for each line.
      const counts = new Map<string, number>();
      for (const text of lines) counts.set(text, 0);
      for (const text of mixed) counts.set(text, counts.get(text)! + 1);
      const expected = new Map<string, number>();
      for (const [text, count] of counts) {
        const { counts: one, verdicts } = replay(text, after, against);
        const said = one.same === 1 ? 'same' : JSON.stringify([verdicts[0]!.kind, verdicts[0]!.from, verdicts[0]!.to]);
        if (count > 0) expected.set(said, (expected.get(said) ?? 0) + count);
      }
      const report = replay(mixed.join(''), after, against);
      const seen = new Map(
        report.verdicts.map(({ kind, from, to, count }) => [JSON.stringify([kind, from, to]), count]),
      );
      if (report.counts.same > 0) seen.set('same', report.counts.same);
      assert.deepEqual(new Map([...seen].sort()), new Map([...expected].sort()));
      assert.ok(expected.size > 5, `${expected.size} different verdicts`);
    }
  });

  test('counts what is longer than any line as one unreadable line, and goes on behind it', () => {
    const log = `${line('main')}{"path":"${'x'.repeat(3 << 20)}"}\n${line('main')}${'y'.repeat(2 << 20)}`;
    const report = replay(log, mesh('orders'), mesh('orders'), 1 << 16);
    assert.equal(kinds(report), 'same 2, unreadable 2');
    assert.equal(report.lines, 4);
  });

  test('reads a first piece that is longer than any line as the beginning of one', () => {
    const log = `${'y'.repeat(3 << 20)}\n${line('main')}`;
    const report = replay(log, mesh('orders'), mesh('orders'), 2 << 20);
    assert.equal(kinds(report), 'same 1, unreadable 1');
  });

  for (const [what, text] of [
    ['without a quote behind its level', `{"time":"2026-11-22T22:00:00.000Z","level":"${'i'.repeat(60)}"}`],
    [
      'that breaks off in its path',
      `{"time":"2026-11-22T22:00:00.000Z","level":"info","a":"${'i'.repeat(60)}","path":"}`,
    ],
  ] as const) {
    test(`ends at a last line ${what}`, () => {
      assert.equal(replay(text, mesh('orders'), mesh('orders')).lines, 1);
    });
  }

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
