import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Result, fail, ok } from '@weft/kernel';
import { FakeClock } from '@weft/testkit';
import type { CallFault, CountRequest, Counters, Nothing } from '@weft/wire';
import { TrafficWindow } from '../observation/traffic-window.ts';
import { CounterFeed } from './counter-feed.ts';
import { CounterIntake } from './counter-intake.ts';

const reporter = {
  proxy: 'shop/web-1',
  workload: 'shop/web',
  account: 'shop/web',
  gateway: false,
  entry: 'shop/web-1',
};

function counters(edges = 1, requests = 10): Counters {
  const edge = {
    direction: 'Outbound' as const,
    route: '',
    rule: '',
    tcp: false,
    requests,
    failures: 0,
    retries: 0,
    secured: requests,
    plaintext: 0,
    requestBytes: 0,
    responseBytes: 0,
    latencies: [],
  };
  return {
    intervalMs: 5_000,
    edges: Array.from({ length: edges }, (_, at) => ({ ...edge, peer: `shop/orders-${at}` })),
    folded: 0,
    residentBytes: 1,
    loopDelayP99Ms: 1,
    connections: 1,
  };
}

function stage() {
  const clock = new FakeClock();
  const wheel = clock.wheel();
  const window = new TrafficWindow(clock);
  const intake = new CounterIntake(window, clock);
  const requests: CountRequest[] = [];
  const state = { fault: null as CallFault | null, hangs: false, release: (): void => undefined };
  const send = (request: CountRequest): Promise<Result<Nothing, CallFault>> => {
    requests.push(request);
    if (state.hangs) return new Promise((resolve) => (state.release = () => resolve(ok({}))));
    if (state.fault !== null) return Promise.resolve(fail(state.fault));
    intake.take(request);
    return Promise.resolve(ok({}));
  };
  const feed = new CounterFeed({ replica: 'one', clock, wheel, send });
  /** Half-second steps, as the feed has them, each with time for what was sent to come back. */
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500);
      await new Promise(setImmediate);
    }
  };
  return { clock, window, intake, requests, state, feed, pass };
}

test('what proxies count is told soon and in one message, and a beat is told when there is nothing', async () => {
  const { feed, requests, pass, intake, window } = stage();
  await pass(1_000);
  assert.deepEqual(requests, [{ replica: 'one', proxies: [], lost: 0 }]);
  feed.counted(reporter, counters());
  feed.counted({ ...reporter, proxy: 'shop/web-2' }, counters());
  await pass(1_000);
  assert.deepEqual(
    requests[1]?.proxies.map(({ proxy, place, workload }) => [proxy, place, workload]),
    [
      ['shop/web-1', 'shop/web', 'shop/web-1'],
      ['shop/web-2', 'shop/web', 'shop/web-1'],
    ],
  );
  assert.equal([...window.reporters].length, 2);
  await pass(10_000);
  assert.equal(requests.length, 4);
  assert.equal(intake.silence('one', 60_000), '');
});

test('a report falls into the step of time in which it was made, however long it was on its way', () => {
  const { clock, window, intake } = stage();
  clock.advance(5_000);
  const step = window.step;
  clock.advance(4_000);
  const proxy = { proxy: 'shop/web-1', place: 'shop/web', account: 'shop/web', gateway: false, workload: '' };
  intake.take({ replica: 'one', proxies: [{ ...proxy, ageMs: 4_000, counters: counters() }], lost: 0 });
  assert.equal(window.isReported(step, null), true);
  clock.advance(2_000);
  intake.take({ replica: 'one', proxies: [{ ...proxy, ageMs: 5_000, counters: counters(1, 5) }], lost: 0 });
  const sums: number[] = [];
  window.eachSum(
    step,
    step + 1,
    () => true,
    (_series, sum) => sums.push(sum.requests),
  );
  assert.deepEqual(sums, [15]);
});

test('what was lost on the way is never taken for nothing: the time is named, and forgotten when it is past', async () => {
  const { feed, state, pass, intake } = stage();
  assert.match(intake.silence('one', 60_000), /told nothing/);
  await pass(1_000);
  assert.equal(intake.silence('one', 60_000), '');
  state.fault = { code: 'Unavailable', message: 'connection refused' };
  feed.counted(reporter, counters());
  await pass(1_000);
  assert.equal(feed.trouble, 'connection refused');
  state.fault = null;
  await pass(6_000);
  assert.equal(feed.trouble, '');
  assert.match(intake.silence('one', 60_000), /not known for \d+ s of the last 60 s/);
  await pass(60_000);
  assert.equal(intake.silence('one', 60_000), '');
  assert.match(intake.silence('one', 600_000), /not known for \d+ s of the last 600 s/);
});

test('a replica that says nothing any more is named for as long as it does not', async () => {
  const { feed, clock, pass, intake } = stage();
  await pass(1_000);
  feed.close();
  clock.advance(11_000);
  assert.equal(intake.silence('one', 60_000), '');
  clock.advance(20_000);
  assert.match(intake.silence('one', 60_000), /not known for 3\d s of the last 60 s/);
  clock.advance(300_000);
  assert.match(intake.silence('one', 60_000), /not known for 60 s of the last 60 s/);
  intake.forget('one');
  assert.match(intake.silence('one', 60_000), /told nothing/);
});

test('a replica that hangs costs a bounded memory: what comes then is lost, and told when it answers again', async () => {
  const { feed, state, requests, pass } = stage();
  state.hangs = true;
  await pass(500);
  for (let report = 0; report < 200; report += 1) feed.counted(reporter, counters(999));
  await pass(10_000);
  assert.equal(requests.length, 1);
  state.hangs = false;
  state.release();
  await pass(1_000);
  // Reports of 1,000 edges and a head: a hundred fit.
  assert.deepEqual(
    requests.slice(1).map(({ proxies, lost }) => [proxies.length, lost]),
    [20, 20, 20, 20, 20].map((reports, at) => [reports, at === 0 ? 100 : 0]),
  );
});

test('a replica that was not reached is tried every half second, and every five seconds when it answers', async () => {
  const { state, requests, pass } = stage();
  state.fault = { code: 'Unavailable', message: 'connection refused' };
  await pass(5_000);
  assert.equal(requests.length, 10);
  state.fault = null;
  await pass(10_000);
  assert.equal(requests.length, 12);
  // One of an older version answers too.
  state.fault = { code: 'Unimplemented', message: 'no such call' };
  await pass(10_000);
  assert.equal(requests.length, 14);
});

test('many reports travel in several messages, none of which is large', async () => {
  const { feed, requests, pass } = stage();
  for (let report = 0; report < 50; report += 1) feed.counted(reporter, counters(999));
  await pass(1_000);
  assert.deepEqual(
    requests.map(({ proxies }) => proxies.length),
    [20, 20, 10],
  );
});
