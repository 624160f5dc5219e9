import { deepEqual, equal, notEqual, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { propagations, readPropagated } from './propagation.ts';
import { RandomIds } from './random-ids.ts';
import { readTraceParent, startSpan, traceIdOf, writeTraceParent } from './trace-context.ts';
import { readTraceState } from './trace-state.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const VALID = `00-${TRACE}-${SPAN}-01`;

/** What both readers say, which is the same. */
function readBoth(text: string | undefined): ReturnType<typeof readTraceParent> {
  const found = readTraceParent(text);
  const bytes = Buffer.from(`-${text ?? ''}-`, 'latin1');
  equal(traceIdOf(bytes, 1, bytes.length - 1), found?.traceId ?? '', text ?? 'undefined');
  return found;
}

describe('readTraceParent', () => {
  test('reads the example of the specification', () => {
    deepEqual(readBoth(VALID), { traceId: TRACE, spanId: SPAN, sampled: true, state: '' });
    equal(readBoth(`00-${TRACE}-${SPAN}-00`)?.sampled, false);
  });

  test('knows only the lowest flag, in every digit', () => {
    for (let flags = 0; flags < 256; flags += 1) {
      const text = flags.toString(16).padStart(2, '0');
      equal(readBoth(`00-${TRACE}-${SPAN}-${text}`)?.sampled, flags % 2 === 1, text);
    }
  });

  test('refuses every case that the specification calls invalid', () => {
    for (const invalid of [
      undefined,
      '',
      '00',
      `${VALID}-what`,
      `${VALID}-`,
      `${VALID} `,
      ` ${VALID}`,
      `${VALID},${VALID}`,
      `ff-${TRACE}-${SPAN}-01`,
      `0-${TRACE}-${SPAN}-001`,
      `0g-${TRACE}-${SPAN}-01`,
      `0A-${TRACE}-${SPAN}-01`,
      `00-${TRACE.toUpperCase()}-${SPAN}-01`,
      `00-${TRACE}-${SPAN.toUpperCase()}-01`,
      `00-${'0'.repeat(32)}-${SPAN}-01`,
      `00-${TRACE}-${'0'.repeat(16)}-01`,
      `00-${TRACE.slice(1)}-${SPAN}-011`,
      `00-${TRACE}-${SPAN}-0`,
      `00-${TRACE}-${SPAN}-.0`,
      `00-${TRACE}-${SPAN}-0G`,
      `00_${TRACE}_${SPAN}_01`,
      `01-${TRACE}-${SPAN}-01.`,
      `cc-${TRACE}-${SPAN}-01what`,
    ]) {
      equal(readBoth(invalid), undefined, String(invalid));
    }
  });

  test('every changed character is refused or changes what is read', () => {
    const expected = JSON.stringify(readBoth(VALID));
    for (let index = 0; index < VALID.length; index += 1) {
      for (const replacement of ['0', 'f', 'F', '-', 'g', '/', ':', '`', '\0', 'é']) {
        if (VALID[index] === replacement) continue;
        const changed = VALID.slice(0, index) + replacement + VALID.slice(index + 1);
        const read = readBoth(changed);
        const isIdentifier = (index >= 3 && index < 35) || (index >= 36 && index < 52);
        if (isIdentifier && read !== undefined) notEqual(JSON.stringify(read), expected, changed);
        if (index === 2 || index === 35 || index === 52) equal(read, undefined, changed);
      }
    }
  });

  test('reads a version of the future as far as version 00 goes', () => {
    equal(readBoth(`cc-${TRACE}-${SPAN}-01`)?.traceId, TRACE);
    equal(readBoth(`cc-${TRACE}-${SPAN}-01-what-the-future-brings`)?.traceId, TRACE);
  });
});

describe('startSpan', () => {
  test('a child keeps trace, decision and state and gets a span of its own', () => {
    const ids = new RandomIds();
    const parent = { traceId: TRACE, spanId: SPAN, sampled: true, state: 'a=1' };
    const child = startSpan(parent, ids, 0);
    equal(child.traceId, TRACE);
    equal(child.parentSpanId, SPAN);
    notEqual(child.spanId, SPAN);
    equal(child.sampled, true);
    equal(child.state, 'a=1');
    deepEqual(readTraceParent(writeTraceParent(child))?.spanId, child.spanId);
  });

  test('new traces are sampled at the share asked for', () => {
    const ids = new RandomIds();
    const count = (share: number): number => {
      let sampled = 0;
      for (let round = 0; round < 20_000; round += 1) sampled += startSpan(undefined, ids, share).sampled ? 1 : 0;
      return sampled;
    };
    equal(count(0), 0);
    equal(count(1_000_000), 20_000);
    const quarter = count(250_000);
    // Five standard deviations of a binomial draw.
    ok(Math.abs(quarter - 5_000) < 5 * Math.sqrt(20_000 * 0.25 * 0.75), `${quarter}`);
  });
});

describe('readTraceState', () => {
  test('sends on what is valid, without white space around members', () => {
    equal(readTraceState('rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'), 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE');
    equal(readTraceState(' a=1 ,\tb=2, ,,c=3'), 'a=1,b=2,c=3');
    equal(readTraceState('1t@sys=x,a/b*c-d_e=y z'), '1t@sys=x,a/b*c-d_e=y z');
  });

  test('forgets all of an invalid one', () => {
    for (const invalid of [
      'a',
      '=1',
      'a=',
      'A=1',
      '1a=1',
      'a=1,a=2',
      'a b=1',
      'a=1=2',
      'a=\u00e9',
      'a=\x01',
      'a@=1',
      'a@B=1',
      `${'k'.repeat(257)}=1`,
      `a=${'v'.repeat(257)}`,
      Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(','),
    ]) {
      equal(readTraceState(invalid), '', invalid);
    }
    equal(readTraceState(Array.from({ length: 32 }, (_, index) => `k${index}=1`).join(',')).split(',').length, 32);
  });

  test('shortens a long one by its largest members, then from its end', () => {
    const long = `big=${'x'.repeat(200)}`;
    const small = Array.from({ length: 20 }, (_, index) => `k${index}=${'y'.repeat(20)}`);
    const kept = readTraceState([small[0], long, ...small.slice(1)].join(','));
    ok(kept.length <= 512 && !kept.includes('big='));
    ok(kept.startsWith(`${small[0]!},${small[1]!}`));
    equal(readTraceState(`${','.repeat(10_000)}a=1`), '');
  });
});

describe('propagations', () => {
  const headersOf = (entries: Record<string, string>): Map<string, string> => new Map(Object.entries(entries));
  const asHeaders = (map: Map<string, string>) => ({
    get: (name: string) => map.get(name),
    set: (name: string, value: string) => void map.set(name, value),
    remove: (name: string) => void map.delete(name),
  });

  test('W3C: a context goes in and out, and an invalid parent takes its state with it', () => {
    const map = headersOf({ traceparent: VALID, tracestate: 'a=1' });
    const parent = readPropagated(asHeaders(map))!.parent!;
    equal(parent.state, 'a=1');
    const child = startSpan(parent, new RandomIds(), 0);
    propagations[0]!.write(asHeaders(map), child);
    equal(map.get('traceparent'), `00-${TRACE}-${child.spanId}-01`);
    equal(map.get('tracestate'), 'a=1');

    const broken = headersOf({ traceparent: 'nonsense', tracestate: 'a=1' });
    equal(readPropagated(asHeaders(broken)), undefined);
    propagations[0]!.write(asHeaders(broken), startSpan(undefined, new RandomIds(), 0));
    equal(broken.has('tracestate'), false);
    ok(readTraceParent(broken.get('traceparent')));
  });
});
