import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@weft/testkit';
import { ExampleExchanges } from './recorder-fixture.ts';
import { RequestWatch, mergeMemories } from './request-watch.ts';

function watchOf(clock: FakeClock): RequestWatch {
  const options = { threads: 1, version: () => 'now', onTapped: () => undefined };
  return new RequestWatch({ clock, wheel: clock.wheel(), ...options });
}

const name = { direction: 'Outbound' as const, peer: 'shop/orders', route: '', rule: '0', tcp: false };

test('errors and retried requests are kept whatever the rate; they do not push out the sample, nor it them', () => {
  const clock = new FakeClock();
  const exchanges = new ExampleExchanges(clock);
  const watch = watchOf(clock);
  const edge = watch.edges.edge(name);
  const end = (changed: object, code: 'completed' | 'connect-refused', failed: boolean): void =>
    watch.ended(exchanges.exchange({}, changed), code, '', failed, edge);
  end({ requestId: 'first', traceId: '4bf92f3577b34da6a3ce929d0e000000' }, 'completed', false);
  end({ requestId: 'retried', attempts: 2, retried: true }, 'completed', false);
  for (let index = 0; index < 4_000; index += 1) end({ requestId: `e${index}`, status: 503 }, 'connect-refused', true);
  assert.equal(watch.find('first').hops[0]?.kept, 'sample');
  assert.equal(watch.find('retried').hops[0]?.kept, 'retried');
  assert.equal(watch.find('e0').hops[0]?.kept, 'error');
  assert.equal(watch.find('e3999').reach.records, 4_002);
  // Only traces whose last bits are not zero: after a burst none of them is kept.
  for (let index = 0; index < 20_000; index += 1) {
    end({ requestId: `s${index}`, traceId: '4bf92f3577b34da6a3ce929d0e0fffff' }, 'completed', false);
  }
  assert.equal(watch.find('first').hops.length, 1);
  assert.deepEqual(watch.find('s19999').hops, []);
});

test('what never had a connection is neither secured nor plaintext', () => {
  const clock = new FakeClock();
  const exchanges = new ExampleExchanges(clock);
  const watch = watchOf(clock);
  const edge = watch.edges.edge(name);
  const sent = exchanges.exchange({}, {});
  const endpoint = sent.endpoint!;
  const plain = { ...endpoint, endpoint: { ...endpoint.endpoint, mesh: false } };
  const meshed = { ...endpoint, endpoint: { ...endpoint.endpoint, mesh: true } };
  for (const changed of [
    { endpoint: null, sentMs: 0 },
    { endpoint: meshed, sentMs: 0 },
    { endpoint: plain, sentMs: 0 },
    { endpoint: meshed },
    { endpoint: plain },
  ]) {
    watch.ended(exchanges.exchange({}, changed), 'completed', '', false, edge);
  }
  const [counted] = watch.edges.take().edges;
  assert.deepEqual([counted!.requests, counted!.secured, counted!.plaintext], [5, 1, 1]);
});

test('one id leads to 32 hops of a proxy at most', () => {
  const clock = new FakeClock();
  const exchanges = new ExampleExchanges(clock);
  const watch = watchOf(clock);
  const edge = watch.edges.edge(name);
  for (let index = 0; index < 50; index += 1) {
    watch.ended(exchanges.exchange({}, { requestId: `r${index}` }), 'connect-refused', '', true, edge);
  }
  const { hops } = watch.find('4bf92f3577b34da6a3ce929d0e0e4736');
  assert.equal(hops.length, 32);
  assert.equal(hops.at(-1)?.requestId, 'r49');
});

test('of several threads the reach is what all of them hold', () => {
  const reach = { records: 10, samplesSinceMs: 5, errorsSinceMs: 0, sampledOneIn: 2, rings: 1 };
  const merged = mergeMemories([
    { hops: [], reach },
    { hops: [], reach: { ...reach, samplesSinceMs: 9, errorsSinceMs: 7, sampledOneIn: 8 } },
  ]);
  assert.deepEqual(merged.reach, { records: 20, samplesSinceMs: 9, errorsSinceMs: 7, sampledOneIn: 8, rings: 2 });
});
