import { equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RandomIds, isRequestId } from './random-ids.ts';

describe('RandomIds', () => {
  test('identifiers have their form and do not come twice', () => {
    const ids = new RandomIds();
    const seen = new Set<string>();
    const variants = new Set<string>();
    for (let round = 0; round < 5_000; round += 1) {
      const [span, trace, request] = [ids.spanId(), ids.traceId(), ids.requestId()];
      ok(/^[0-9a-f]{16}$/.test(span) && /^[0-9a-f]{32}$/.test(trace));
      ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(request), request);
      variants.add(request[19]!);
      for (const id of [span, trace, request]) seen.add(id);
    }
    equal(seen.size, 15_000);
    equal(variants.size, 4);
  });

  test('every digit that is not fixed takes every value', () => {
    const ids = new RandomIds();
    const seen: Set<string>[] = [];
    for (let round = 0; round < 2_000; round += 1) {
      for (const [at, digit] of [...(ids.requestId() + ids.rootTraceParent())].entries())
        (seen[at] ??= new Set()).add(digit);
    }
    const shape = 'xxxxxxxx-xxxx-4xxx-vxxx-xxxxxxxxxxxx00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-00';
    const sizes = { x: 16, v: 4 } as Record<string, number>;
    for (const [at, kind] of [...shape].entries()) equal(seen[at]!.size, sizes[kind] ?? 1, `at ${at}`);
  });

  test('an identifier of zeros is never handed out', () => {
    let fills = 0;
    const ids = new RandomIds((bytes) => {
      bytes.fill(fills === 0 ? 0 : 0xab);
      fills += 1;
    });
    equal(ids.spanId(), 'ab'.repeat(8));
    equal(fills, 2);
    equal(ids.traceId(), 'ab'.repeat(16));
  });

  test('a new trace has ids of its own and is not sampled', () => {
    const ids = new RandomIds();
    const seen = new Set<string>();
    for (let round = 0; round < 5_000; round += 1) {
      const text = ids.rootTraceParent();
      ok(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/.test(text), text);
      seen.add(text.substring(3, 35)).add(text.substring(36, 52));
    }
    equal(seen.size, 10_000);
    let fills = 0;
    const zeros = new RandomIds((bytes) => void bytes.fill(fills++ === 0 ? 0 : 0xab));
    ok(!/0{16}/.test(zeros.rootTraceParent()));
  });

  test('the generator is called once for hundreds of identifiers, and no byte is used twice', () => {
    let fills = 0;
    const ids = new RandomIds((bytes) => {
      for (let index = 0; index < bytes.length; index += 2)
        bytes.writeUInt16BE((fills * 1_024 + index / 2) & 0xffff, index);
      fills += 1;
    });
    const words = new Set<string>();
    let count = 0;
    for (let round = 0; round < 1_000; round += 1) {
      for (const word of `${ids.spanId()}${ids.traceId()}`.match(/.{4}/g)!) {
        words.add(word);
        count += 1;
      }
    }
    equal(words.size, count);
    ok(fills <= 13, `${fills} calls`);
  });
});

describe('isRequestId', () => {
  const of = (text: string): boolean => {
    const bytes = Buffer.from(`"${text}\n`, 'latin1');
    return isRequestId(bytes, 1, bytes.length - 1);
  };
  test('takes what is short and harmless', () => {
    for (const good of [
      'a',
      '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
      'Root=1-67891233-abcdef012345678912345678',
      'x'.repeat(128),
    ]) {
      ok(of(good), good);
    }
    for (const bad of ['', 'a b', 'a"b', 'a\nb', 'é', 'x'.repeat(129), '${jndi:ldap}']) {
      ok(!of(bad), bad);
    }
  });
});
