import { deepEqual, equal } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { pickPropagations, readPropagated } from './propagation.ts';
import type { PropagationWord, TraceHeaders } from './propagation.ts';
import { RandomIds } from './random-ids.ts';
import { TracePlan, defaultTraceRules } from './trace-plan.ts';

const TRACE = '80f198ee56343ba864fe8b2a57d3eff7';
const SPAN = 'e457b5a2e4d86bd1';
const PARENT = '05e3ac9a4f6e3b90';

class Fields implements TraceHeaders {
  readonly map: Map<string, string>;

  constructor(entries: Record<string, string>) {
    this.map = new Map(Object.entries(entries));
  }

  get(name: string): string | undefined {
    return this.map.get(name);
  }

  set(name: string, value: string): void {
    this.map.set(name, value);
  }

  remove(name: string): void {
    this.map.delete(name);
  }
}

function plan(ways: readonly PropagationWord[], more: Partial<typeof defaultTraceRules> = {}): TracePlan {
  return new TracePlan({ ...defaultTraceRules, sampledPerMillion: 1_000_000, ways: pickPropagations(ways), ...more });
}

describe('B3 and X-Ray', () => {
  const cases: readonly [PropagationWord, Record<string, string>][] = [
    ['B3', { b3: `${TRACE}-${SPAN}-1-${PARENT}` }],
    ['B3Multi', { 'x-b3-traceid': TRACE, 'x-b3-spanid': SPAN, 'x-b3-sampled': '1', 'x-b3-parentspanid': PARENT }],
    ['XRay', { 'x-amzn-trace-id': `Self=1-1;Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Parent=${SPAN};Sampled=1` }],
  ];
  for (const [word, headers] of cases) {
    test(`${word}: what came is the parent of what is sent`, () => {
      const fields = new Fields(headers);
      const ours = plan([word]);
      const span = ours.start(ours.read(fields), new RandomIds(), 0);
      deepEqual([span.traceId, span.parentSpanId, span.sampled], [TRACE, SPAN, true]);
      for (const way of ours.rules.ways) way.write(fields, span);
      const again = readPropagated(fields, ours.rules.ways);
      deepEqual([again?.parent?.traceId, again?.parent?.spanId, again?.sampled], [TRACE, span.spanId, true]);
    });
  }

  test('ids of 64 bits are filled up, and a refusal to sample alone is obeyed', () => {
    const short = readPropagated(new Fields({ b3: `${SPAN}-${PARENT}-d` }), pickPropagations(['B3']));
    equal(short?.parent?.traceId, `0000000000000000${SPAN}`);
    equal(short?.sampled, true);
    const ours = plan(['B3']);
    equal(ours.start(ours.read(new Fields({ b3: '0' })), new RandomIds(), 0).sampled, false);
    equal(ours.start(ours.read(new Fields({ b3: `${TRACE}-${SPAN}` })), new RandomIds(), 0).sampled, true);
  });

  test('what the specifications do not allow starts a new trace', () => {
    const bad: Record<string, string>[] = [
      { b3: `${TRACE}-${SPAN}-2` },
      { b3: `${TRACE.toUpperCase()}-${SPAN}-1` },
      { b3: `${'0'.repeat(32)}-${SPAN}-1` },
      { b3: `${TRACE}-${SPAN}-1-${PARENT}-1` },
      { 'x-b3-traceid': TRACE, 'x-b3-spanid': 'x' },
      { 'x-amzn-trace-id': `Root=1-80f198ee-56343ba864fe8b2a57d3eff7;Sampled=1` },
      { 'x-amzn-trace-id': 'x'.repeat(100_000) },
    ];
    for (const headers of bad) {
      equal(readPropagated(new Fields(headers), pickPropagations(['B3', 'B3Multi', 'XRay'])), undefined);
    }
  });

  test('all ways of a policy are written, so that one mesh serves tracers of two kinds', () => {
    const ours = plan(['W3C', 'B3', 'B3Multi']);
    const fields = new Fields({ b3: `${TRACE}-${SPAN}-1` });
    const span = ours.start(ours.read(fields), new RandomIds(), 0);
    for (const way of ours.rules.ways) way.write(fields, span);
    equal(fields.get('traceparent'), `00-${TRACE}-${span.spanId}-01`);
    equal(fields.get('b3'), `${TRACE}-${span.spanId}-1-${SPAN}`);
    equal(fields.get('x-b3-spanid'), span.spanId);
  });
});

describe('which traces are kept', () => {
  test('no more new ones in a second than the policy says, whatever comes', () => {
    const ours = plan(['W3C'], { maxPerSecond: 10 });
    const ids = new RandomIds();
    const kept = (nowMs: number): number =>
      Array.from({ length: 100 }, () => ours.start(undefined, ids, nowMs)).filter(({ sampled }) => sampled).length;
    equal(kept(0), 10);
    equal(kept(500), 5);
    equal(kept(60_000), 10);
  });

  test('a decision that came in holds, unless the policy decides by itself', () => {
    const headers = new Fields({ traceparent: `00-${TRACE}-${SPAN}-00` });
    const based = plan(['W3C']);
    equal(based.start(based.read(headers), new RandomIds(), 0).sampled, false);
    const own = plan(['W3C'], { parentBased: false });
    equal(own.start(own.read(headers), new RandomIds(), 0).sampled, true);
  });

  test('failures are kept beside them when asked for, within the same rate', () => {
    equal(plan(['W3C']).keepsFailure(0), false);
    const ours = plan(['W3C'], { keepsErrors: true, maxPerSecond: 2 });
    deepEqual([ours.keepsFailure(0), ours.keepsFailure(0), ours.keepsFailure(0)], [true, true, false]);
  });
});
