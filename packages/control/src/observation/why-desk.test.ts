import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@weft/testkit';
import type { Answer, Hop } from '@weft/wire';
import type { ProxyRegistry } from '../proxy-registry.ts';
import { exampleHop } from './hop-fixture.ts';
import { WhyDesk } from './why-desk.ts';

const REACH = { records: 5, samplesSinceMs: 1, errorsSinceMs: 2, sampledOneIn: 4, rings: 1 };

/** How one proxy answers; null: its stream ends; undefined: never. */
type Behaviour = ((request: string) => readonly Hop[]) | null | undefined;

function stage(behaviours: Readonly<Record<string, Behaviour>>): { desk: WhyDesk; clock: FakeClock; asked: string[] } {
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
  return { desk: new WhyDesk({ records } as unknown as ProxyRegistry, clock.wheel()), clock, asked };
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
