import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JoinTokenRegister, joinTokenLifetimeMs, readJoinToken, writeJoinToken } from './join-token.ts';

const nowMs = Date.UTC(2026, 5, 1);
const subject = { namespace: 'shop', serviceAccount: 'cart', workload: 'cart' };

function register(): { tokens: JoinTokenRegister; credential: string } {
  const tokens = new JoinTokenRegister();
  const credential = tokens.create(subject, nowMs);
  assert.ok(credential !== undefined);
  return { tokens, credential };
}

function token(credential: string) {
  return {
    controlAddress: '[::1]:15010',
    trustDomain: 'cluster.local',
    rootFingerprint: 'ab'.repeat(32),
    ...subject,
    credential,
  };
}

test('a token survives being printed and pasted, blanks around it included', () => {
  const { credential } = register();
  const text = writeJoinToken(token(credential));
  assert.match(text, /^weft1\.[A-Za-z0-9_-]+$/);
  assert.deepEqual(readJoinToken(` ${text}\n`), { ok: true, value: token(credential) });
});

test('a token cut short or changed anywhere is damaged, never half read', () => {
  const text = writeJoinToken(token(register().credential));
  for (let end = 0; end < text.length; end++) assert.equal(readJoinToken(text.slice(0, end)).ok, false);
  for (let at = 6; at < text.length - 1; at++) {
    const letter = text[at] === 'A' ? 'B' : 'A';
    assert.equal(readJoinToken(text.slice(0, at) + letter + text.slice(at + 1)).ok, false, `at ${at}`);
  }
  assert.deepEqual(readJoinToken(text.slice(0, -5)), { ok: false, error: 'token-damaged' });
  assert.deepEqual(readJoinToken('weft2.abc'), { ok: false, error: 'token-version' });
  assert.deepEqual(readJoinToken('eyJhbGciOi'), { ok: false, error: 'token-malformed' });
  assert.deepEqual(readJoinToken(`weft1.${'A'.repeat(5000)}`), { ok: false, error: 'token-malformed' });
});

test('a token whose parts are not sound is refused though its checksum is right', () => {
  const { credential } = register();
  for (const wrong of [
    { controlAddress: 'localhost' },
    { trustDomain: 'Cluster' },
    { rootFingerprint: 'ab' },
    { credential: 'x.y' },
    { workload: 'a\nb' },
  ]) {
    const read = readJoinToken(writeJoinToken({ ...token(credential), ...wrong }));
    assert.deepEqual(read, { ok: false, error: 'token-malformed' });
  }
});

test('a credential gives the workload it was made for, once', () => {
  const { tokens, credential } = register();
  assert.deepEqual(tokens.redeem(credential, 'cart', nowMs), { ok: true, value: subject });
  assert.deepEqual(tokens.redeem(credential, 'cart', nowMs), { ok: false, error: 'token-used' });
});

test('a credential is for one workload only, and a wrong name does not spend it', () => {
  const { tokens, credential } = register();
  assert.deepEqual(tokens.redeem(credential, 'pay', nowMs), { ok: false, error: 'token-other-workload' });
  assert.ok(tokens.redeem(credential, 'cart', nowMs).ok);
});

test('a credential ends after ten minutes to the millisecond', () => {
  const { tokens, credential } = register();
  assert.deepEqual(tokens.redeem(credential, 'cart', nowMs + joinTokenLifetimeMs), {
    ok: false,
    error: 'token-expired',
  });
  assert.ok(tokens.redeem(credential, 'cart', nowMs + joinTokenLifetimeMs - 1).ok);
});

test("a guessed secret, an unknown token and another one's secret are all unknown alike", () => {
  const { tokens, credential } = register();
  const other = tokens.create(subject, nowMs)!;
  const [id, secret] = credential.split('.') as [string, string];
  const [, otherSecret] = other.split('.') as [string, string];
  for (const guess of [`${id}.${'A'.repeat(43)}`, `${'A'.repeat(11)}.${secret}`, `${id}.${otherSecret}`]) {
    assert.deepEqual(tokens.redeem(guess, 'cart', nowMs), { ok: false, error: 'token-unknown' });
  }
  for (const malformed of ['', '.', id, `${credential}x`, 'x'.repeat(10_000)]) {
    assert.deepEqual(tokens.redeem(malformed, 'cart', nowMs), { ok: false, error: 'token-malformed' });
  }
  assert.ok(tokens.redeem(credential, 'cart', nowMs).ok);
});

test('ten thousand tokens may be out; ended ones make room', () => {
  const tokens = new JoinTokenRegister();
  for (let index = 0; index < 10_000; index++) assert.ok(tokens.create(subject, nowMs) !== undefined);
  assert.equal(tokens.create(subject, nowMs), undefined);
  assert.ok(tokens.create(subject, nowMs + 2 * joinTokenLifetimeMs) !== undefined);
  assert.equal(tokens.size, 1);
});
