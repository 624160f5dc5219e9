import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@weft/testkit';
import type { TapFilter, Tapped } from '@weft/wire';
import { ExampleExchanges } from './recorder-fixture.ts';
import { RequestTaps } from './request-taps.ts';

const ALL: TapFilter = {
  direction: 'Both',
  destination: '',
  method: '',
  path: '',
  statusFrom: 0,
  statusTo: 0,
  slowerThanMs: 0,
  maxRate: 100,
  showValues: false,
};

function stage(filter: Partial<TapFilter> = {}, threads = 1) {
  const clock = new FakeClock();
  const wheel = clock.wheel();
  const told: Tapped[] = [];
  const taps = new RequestTaps(wheel, threads, (tapped) => told.push(tapped));
  const exchanges = new ExampleExchanges(clock);
  taps.take({ id: 7, stop: false, filter: { ...ALL, ...filter }, lastsMs: 60_000 });
  const offer = (request = {}, changed = {}): void =>
    taps.offer(exchanges.exchange(request, changed), 'completed', 'shop/orders', true, clock.wallMs());
  return { clock, taps, told, offer };
}

test('only what fits is told', () => {
  const fits: [Partial<TapFilter>, boolean][] = [
    [{}, true],
    [{ direction: 'Inbound' }, false],
    [{ direction: 'Outbound' }, true],
    [{ destination: 'shop/orders' }, true],
    [{ destination: 'shop/cart' }, false],
    [{ method: 'POST' }, false],
    [{ path: '/items' }, true],
    [{ path: '=/items' }, false],
    [{ path: '=/items/7' }, true],
    [{ statusFrom: 500, statusTo: 599 }, false],
    [{ statusFrom: 200, statusTo: 200 }, true],
    [{ slowerThanMs: 20 }, false],
    [{ slowerThanMs: 12 }, true],
  ];
  for (const [filter, expected] of fits) {
    const { clock, told, offer } = stage(filter);
    offer();
    clock.advance(300);
    assert.equal(told.length === 1, expected, JSON.stringify(filter));
  }
});

test('so many in a second and no more: the others are counted, and threads share the rate', () => {
  const { clock, told, offer } = stage({ maxRate: 10 }, 2);
  for (let index = 0; index < 50; index += 1) offer();
  clock.advance(300);
  assert.equal(told[0]?.requests.length, 5);
  assert.equal(told[0].dropped, 45);
});

test('secrets are never shown, other values only when asked for', () => {
  const fields = { authorization: 'Bearer a', 'x-api-key': 'k', 'x-color': 'red', 'user-agent': 'curl' };
  for (const showValues of [false, true]) {
    const { clock, told, offer } = stage({ showValues });
    offer({ fields, query: 'password=1' });
    clock.advance(300);
    const request = told[0]!.requests[0]!;
    assert.deepEqual(
      request.fields.map(({ name, redacted }) => `${name} ${redacted}`),
      ['authorization true', 'x-api-key true', `x-color ${!showValues}`, 'user-agent false'],
    );
    assert.doesNotMatch(JSON.stringify(request), /Bearer|password/);
  }
});

test('a tap ends when it is told to, when its time is over, and when nobody hears', () => {
  for (const end of [
    (taps: RequestTaps) => taps.take({ id: 7, stop: true, filter: null, lastsMs: 0 }),
    (_taps: RequestTaps, clock: FakeClock) => clock.advance(61_000),
    (taps: RequestTaps) => taps.closeAll(),
  ]) {
    const { clock, taps, told, offer } = stage();
    assert.equal(taps.isOpen, true);
    end(taps, clock);
    assert.equal(taps.isOpen, false);
    offer();
    clock.advance(300);
    assert.deepEqual(told, []);
  }
});

test('control characters of a hostile head are told as blanks', () => {
  const { clock, told, offer } = stage();
  offer({ fields: { 'user-agent': 'a\u001b[31m\u0007' } });
  clock.advance(300);
  assert.equal(told[0]!.requests[0]!.fields[0]!.value, 'a [31m ');
});
