import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { ByteWriter } from '@weft/kernel';
import type { HeadEditRules } from './head-edits.ts';
import { compileHeadEdits } from './head-edits.ts';
import { http1Defaults } from './http1/limits.ts';
import { RequestFacts } from './http1/message-facts.ts';
import { Http1RequestReader } from './http1/request-reader.ts';
import { writeRequestHead } from './http1/writer.ts';

/** The field lines of a GET with `received` after the edits, without Host. */
function edited(rules: HeadEditRules, received: string, slots: (string | undefined)[] = []): string[] | false {
  const compiled = compileHeadEdits(rules);
  assert.ok(compiled.ok);
  let lines: string[] | false = false;
  const reader = new Http1RequestReader(http1Defaults, {
    onHead(head) {
      const out = new ByteWriter(64);
      const facts = new RequestFacts();
      facts.take(head);
      facts.slots = slots;
      if (!writeRequestHead(out, head, compiled.value, facts)) assert.equal(out.length, 0, 'nothing is left behind');
      else lines = out.buffer.toString('latin1', 0, out.length).split('\r\n').slice(2, -2);
    },
    onData() {},
    onTrailers() {},
    onEnd() {},
    onTermination(_code, detail) {
      assert.fail(detail);
    },
  });
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${received}\r\n`, 'latin1');
  reader.feed(bytes, 0, bytes.length);
  return lines;
}

test('set replaces every field of the name, add appends, remove drops; names are compared without case', () => {
  const rules = {
    modifiers: [{ set: [{ name: 'X-A', value: 'new' }], add: [{ name: 'X-B', value: 'more' }], remove: ['x-c'] }],
  };
  assert.deepEqual(edited(rules, 'x-a: 1\r\nX-b: 2\r\nX-A: 3\r\nX-C: 4\r\nX-D: 5\r\n'), [
    'X-b: 2',
    'X-D: 5',
    'X-A: new',
    'X-B: more',
  ]);
});

test('set of a known and of an absent name writes it once', () => {
  const rules = { modifiers: [{ set: [{ name: 'User-Agent', value: 'w' }] }] };
  assert.deepEqual(edited(rules, 'user-agent: x\r\n'), ['User-Agent: w']);
  assert.deepEqual(edited(rules, ''), ['User-Agent: w']);
});

test('a later modifier sees what an earlier one did', () => {
  const rules = {
    modifiers: [
      { set: [{ name: 'x-a', value: '1' }], add: [{ name: 'x-b', value: '1' }] },
      { remove: ['x-a'], add: [{ name: 'x-b', value: '2' }] },
    ],
  };
  assert.deepEqual(edited(rules, 'X-A: 0\r\nX-B: 0\r\n'), ['X-B: 0', 'x-b: 1', 'x-b: 2']);
});

test('slots: own always drops, replace drops when it has a value, add keeps, absent writes only then', () => {
  const slots = [
    { name: 'x-own', mode: 'own' },
    { name: 'x-replace', mode: 'replace' },
    { name: 'via', mode: 'add' },
    { name: 'x-request-id', mode: 'absent' },
  ] as const;
  const received = 'X-Own: 0\r\nX-Replace: 0\r\nVia: 0\r\nX-Request-Id: 0\r\n';
  assert.deepEqual(edited({ slots }, received, ['1', '1', '1', '1']), [
    'Via: 0',
    'X-Request-Id: 0',
    'x-own: 1',
    'x-replace: 1',
    'via: 1',
  ]);
  assert.deepEqual(edited({ slots }, received), ['X-Replace: 0', 'Via: 0', 'X-Request-Id: 0']);
  assert.deepEqual(edited({ slots }, '', [undefined, undefined, undefined, '1']), ['x-request-id: 1']);
});

test('a modifier of the route wins over a slot of the same name', () => {
  const rules: HeadEditRules = {
    modifiers: [{ set: [{ name: 'X-Forwarded-Proto', value: 'https' }] }],
    slots: [{ name: 'x-forwarded-proto', mode: 'own' }],
  };
  assert.deepEqual(edited(rules, 'x-forwarded-proto: ftp\r\n', ['http']), ['X-Forwarded-Proto: https']);
});

test('H1-17: a slot is written although Connection nominates its name, and weft fields never pass uninvited', () => {
  const rules: HeadEditRules = {
    slots: [
      { name: 'weft-client-identity', mode: 'own' },
      { name: 'x-forwarded-for', mode: 'own' },
    ],
  };
  const received =
    'Connection: weft-client-identity, X-Forwarded-For, x-secret\r\nWeft-Client-Identity: forged\r\nweft_client_identity: forged\r\nWEFT-A: b\r\nX-Secret: 1\r\n';
  assert.deepEqual(edited(rules, received, ['spiffe://a/b', '192.0.2.1']), [
    'weft-client-identity: spiffe://a/b',
    'x-forwarded-for: 192.0.2.1',
  ]);
  assert.deepEqual(edited({ keepWeft: true }, 'Weft-Refused: no-route\r\n'), ['Weft-Refused: no-route']);
});

test('dropped names and unknown names of the same length are told apart', () => {
  assert.deepEqual(edited({ drop: ['X-AB', 'Forwarded'] }, 'X-AC: 1\r\nx-ab: 2\r\nforwarded: for=x\r\n'), ['X-AC: 1']);
});

test('a slot value that would split the head writes nothing at all', () => {
  const slots = [{ name: 'x-a', mode: 'own' }] as const;
  for (const value of ['a\r\nb: c', 'a\nb', 'a\0', '\u010a', '\u{1f600}'])
    assert.equal(edited({ slots }, '', [value]), false, JSON.stringify(value));
});

test('edits that could not be written, or that touch framing and trust, are refused with the name', () => {
  const reasons = (rules: HeadEditRules): string => {
    const compiled = compileHeadEdits(rules);
    return compiled.ok ? 'ok' : `${compiled.error.name} ${compiled.error.reason}`;
  };
  assert.equal(reasons({ modifiers: [{ set: [{ name: 'a b', value: '' }] }] }), 'a b bad-name');
  assert.equal(reasons({ modifiers: [{ add: [{ name: 'a', value: 'x\r\ny' }] }] }), 'a bad-value');
  assert.equal(reasons({ modifiers: [{ add: [{ name: 'a', value: '\u010a' }] }] }), 'a bad-value');
  for (const name of [
    'Host',
    'Content-Length',
    'transfer-encoding',
    'Connection',
    'TE',
    'Upgrade',
    'weft-x',
    'Expect',
  ]) {
    assert.equal(reasons({ modifiers: [{ remove: [name] }] }), `${name} protected-field`);
  }
  assert.equal(reasons({ slots: [{ name: '', mode: 'own' }] }), ' bad-name');
});
