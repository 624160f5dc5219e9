import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { admitted, readReview, writeReview } from './admission-review.ts';

const review = (request: unknown): string =>
  JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });

describe('a question of an API server', () => {
  it('is read, with brackets in strings taken for what they are', () => {
    const object = { note: `${'[{"'.repeat(200)}\\` };
    const read = readReview(review({ uid: 'u1', operation: 'CREATE', namespace: 'shop', object }));
    assert.deepEqual(read, { ok: true, value: { uid: 'u1', operation: 'CREATE', namespace: 'shop', object } });
  });

  it('is refused with a sentence when it is none, or nested without end', () => {
    const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
    for (const [body, error] of [
      ['', /^no JSON/],
      ['{"a', /^no JSON/],
      ['null', /^expected an AdmissionReview/],
      ['{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}', /^expected an AdmissionReview/],
      [review(undefined), /^expected a request/],
      [review({ uid: '', object: {} }), /^expected a request/],
      [review({ uid: 'u', object: [] }), /^expected a request/],
      [deep, /^nested deeper than 100/],
    ] as const) {
      const read = readReview(body);
      assert.match(read.ok ? '' : read.error, error);
    }
  });
});

describe('an answer', () => {
  it('carries the patch in base64, and warnings within what an API server shows', () => {
    const patch = [{ op: 'add', path: '/spec/x', value: 'ü' }] as const;
    const text = writeReview('u1', { ...admitted, patch, warnings: ['w'.repeat(1_000)] });
    const { response } = JSON.parse(text) as { response: { uid: string; patch: string; warnings: string[] } };
    assert.equal(response.uid, 'u1');
    assert.deepEqual(JSON.parse(Buffer.from(response.patch, 'base64').toString()), patch);
    assert.equal(response.warnings[0]?.length, 256);
  });

  it('says why an object is refused', () => {
    const { response } = JSON.parse(writeReview('u1', { ...admitted, allowed: false, message: 'spec.x: wrong' })) as {
      response: unknown;
    };
    assert.deepEqual(response, {
      uid: 'u1',
      allowed: false,
      status: { code: 422, reason: 'Invalid', message: 'spec.x: wrong' },
    });
  });
});
