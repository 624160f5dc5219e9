import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fail, ok } from '@weft/kernel';
import { FakeClock } from '@weft/testkit';
import type { Answer, Hop } from '@weft/wire';
import type { ProxyRegistry } from '../proxy-registry.ts';
import { exampleHop } from './hop-fixture.ts';
import { type AskElsewhere, WhyDesk } from './why-desk.ts';

const REACH = { records: 5, samplesSinceMs: 1, errorsSinceMs: 2, sampledOneIn: 4, rings: 1 };

/** How one proxy answers; null: its stream ends; undefined: never. */
type Behaviour = ((request: string) => readonly Hop[]) | null | undefined;

function stage(
  behaviours: Readonly<Record<string, Behaviour>>,
  elsewhere: AskElsewhere = () => Promise.resolve([]),
): { desk: WhyDesk; clock: FakeClock; asked: string[] } {
  const clock = new FakeClock();
  const asked: string[] = [];
  const records = Object.entries(behaviours).map(([name, behaviour]) => ({
    name,
    isConnected: true,
    peer: { id: `spiffe://example/${name}` },
    hello: {
      gateway: '',
      listeners: [],
      workload: { namespace: 'shop', name: name.split('/')[1]!, service: '' },
    },
    session: {
      queryRequest: (request: string, done: (answer: Answer | null) => void) => {
        asked.push(`${name} ${request}`);
        if (behaviour === undefined) return;
        if (behaviour === null) done(null);
        else done({ id: 1, resources: [], truncated: false, hops: behaviour(request), reach: REACH, backends: [] });
      },
    },
  }));
  const desk = new WhyDesk({ records } as unknown as ProxyRegistry, clock.wheel(), clock, elsewhere);
  return { desk, clock, asked };
}

test('the answer comes after a second whoever is silent, and names them', async () => {
  const { desk, clock } = stage({ 'shop/a': () => [exampleHop()], 'shop/b': undefined, 'shop/c': null });
  const found = desk.find('4bf92f3577b34da6a3ce929d0e0e4736');
  clock.advance(1_100);
  const { hops, rings } = await found;
  assert.equal(hops.length, 1);
  assert.deepEqual(
    rings.map(({ proxy, silent }) => `${proxy}: ${silent}`),
    ['shop/a: ', 'shop/b: no answer within a second', 'shop/c: its stream is gone'],
  );
});

test('a request id leads to the whole of its trace, and no hop is shown twice', async () => {
  const one = exampleHop({ requestId: 'r1', traceId: 't1' });
  const other = exampleHop({ requestId: 'r2', traceId: 't1', startedAtMs: one.startedAtMs + 1 });
  const { desk, asked } = stage({
    'shop/a': (request) => (request === 'r1' || request === 't1' ? [one] : []),
    'shop/b': (request) => (request === 't1' ? [other] : []),
  });
  const { hops, rings } = await desk.find('r1');
  assert.deepEqual(
    hops.map(({ proxy, hop }) => `${proxy} ${hop.requestId}`),
    ['shop/a r1', 'shop/b r2'],
  );
  assert.equal(rings.length, 2);
  assert.deepEqual(asked, ['shop/a r1', 'shop/b r1', 'shop/a t1', 'shop/b t1']);
});

test('proxies of other replicas are asked through them, in the time that is left; a replica that is silent is named', async () => {
  const one = exampleHop({ requestId: 'r1', traceId: 't1' });
  const other = exampleHop({ requestId: 'r1', traceId: 't1', direction: 'Inbound', startedAtMs: one.startedAtMs + 1 });
  const questions: string[] = [];
  const { desk } = stage({ 'shop/a': () => [one], 'shop/moved': null }, (request, awaitMs) => {
    questions.push(`${request} ${awaitMs}`);
    const rings = ['shop/b', 'shop/moved'].map((proxy) => ({ proxy, silent: '', reach: REACH }));
    const hop = { proxy: 'shop/b', workload: 'shop/b', identity: 'spiffe://example/shop/b', addresses: [], hop: other };
    return Promise.resolve([
      { replica: 'two', answer: ok({ hops: request === 't1' ? [] : [hop], rings }) },
      { replica: 'three', answer: fail({ code: 'Unavailable', message: 'no connection' }) },
    ]);
  });
  const { hops, rings } = await desk.find('r1');
  assert.deepEqual(
    hops.map(({ proxy, hop }) => `${proxy} ${hop.direction}`),
    ['shop/a Outbound', 'shop/b Inbound'],
  );
  assert.deepEqual(
    rings.map(({ proxy, silent }) => `${proxy}: ${silent}`),
    [
      'replica three: this replica of the control plane did not answer, so its sidecars were not asked: no connection',
      'shop/a: ',
      'shop/b: ',
      'shop/moved: ',
    ],
  );
  assert.deepEqual(questions, ['r1 900', 't1 900']);
});

test('a replica that is reached while the trace is followed is not called silent', async () => {
  const one = exampleHop({ requestId: 'r1', traceId: 't1' });
  const ring = { proxy: 'shop/b', silent: '', reach: REACH };
  const { desk } = stage({ 'shop/a': () => [one] }, (request) =>
    Promise.resolve([
      {
        replica: 'two',
        answer: request === 'r1' ? fail({ code: 'Unavailable', message: 'refused' }) : ok({ hops: [], rings: [ring] }),
      },
    ]),
  );
  const { rings } = await desk.find('r1');
  assert.deepEqual(
    rings.map(({ proxy, silent }) => `${proxy}: ${silent}`),
    ['shop/a: ', 'shop/b: '],
  );
});

test('what all said stands where the trace could not be followed in time', async () => {
  const one = exampleHop({ requestId: 'r1', traceId: 't1' });
  const { desk, clock } = stage({ 'shop/a': () => [one] }, (request) =>
    request === 'r1'
      ? Promise.resolve([{ replica: 'two', answer: fail({ code: 'Unavailable', message: 'refused' }) }])
      : new Promise(() => undefined),
  );
  const found = desk.find('r1');
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  clock.advance(1_100);
  const { rings } = await found;
  assert.deepEqual(
    rings.map(({ proxy }) => proxy),
    ['replica two', 'shop/a'],
  );
});

test('another replica is told what is known here, and is not asked in turn', async () => {
  const { desk, clock } = stage({ 'shop/a': () => [exampleHop()], 'shop/b': undefined }, () => assert.fail('asked'));
  const found = desk.findHere('4bf92f3577b34da6a3ce929d0e0e4736', 300);
  clock.advance(310);
  const { hops, rings } = await found;
  assert.deepEqual(
    hops.map(({ proxy, identity }) => `${proxy} ${identity}`),
    ['shop/a spiffe://example/shop/a'],
  );
  assert.deepEqual(rings.map(({ proxy, silent }) => `${proxy}: ${silent}`).sort(), [
    'shop/a: ',
    'shop/b: no answer within a second',
  ]);
});
