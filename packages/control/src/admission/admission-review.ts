import { type Result, fail, ok } from '@weft/kernel';
import { type JsonMap, type PatchOperation, isMap, mapOf, textOf } from '@weft/injection';

/** One question of an API server: `admission.k8s.io/v1`, kind AdmissionReview. */
export interface AdmissionQuestion {
  readonly uid: string;
  /** `CREATE`, `UPDATE`, ... */
  readonly operation: string;
  readonly namespace: string;
  readonly object: JsonMap;
}

/** The answer; what is not admitted says why, for the person who sent the object. */
export interface AdmissionAnswer {
  readonly allowed: boolean;
  /** Empty: the object stays as it is. */
  readonly patch: readonly PatchOperation[];
  /** Shown to the sender beside the result; the API server cuts them at 256 characters each. */
  readonly warnings: readonly string[];
  /** Why not; empty when it is admitted. */
  readonly message: string;
}

/** Larger than two objects of the largest size an API server takes, which is what a change of one carries. */
export const reviewBodyBytes = 8 * 1024 * 1024;
/** The deepest object of Kubernetes has about 20 levels; what follows is walked by recursion. */
const DEEPEST = 100;
const WARNING_CHARACTERS = 256;
const MOST_WARNINGS = 16;

export const admitted: AdmissionAnswer = { allowed: true, patch: [], warnings: [], message: '' };

/** Reads a body whatever it holds; the error is a sentence. */
export function readReview(body: string): Result<AdmissionQuestion, string> {
  if (deeperThan(body, DEEPEST)) return fail(`nested deeper than ${DEEPEST} levels`);
  let review: unknown;
  try {
    review = JSON.parse(body);
  } catch {
    return fail('no JSON');
  }
  if (!isMap(review) || review['kind'] !== 'AdmissionReview' || review['apiVersion'] !== 'admission.k8s.io/v1') {
    return fail('expected an AdmissionReview of admission.k8s.io/v1');
  }
  const request = mapOf(review['request']);
  const uid = textOf(request['uid']);
  if (uid === '' || uid.length > 128 || !isMap(request['object']))
    return fail('expected a request with uid and object');
  return ok({
    uid,
    operation: textOf(request['operation']),
    namespace: textOf(request['namespace']),
    object: request['object'],
  });
}

export function writeReview(uid: string, answer: AdmissionAnswer): string {
  const { allowed, patch, warnings, message } = answer;
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed,
      ...(patch.length === 0
        ? {}
        : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
      ...(warnings.length === 0
        ? {}
        : { warnings: warnings.slice(0, MOST_WARNINGS).map((text) => text.slice(0, WARNING_CHARACTERS)) }),
      ...(message === '' ? {} : { status: { code: 422, reason: 'Invalid', message } }),
    },
  });
}

/** By brackets outside of strings, before anything walks the values. */
function deeperThan(text: string, levels: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = closingQuote(text, at);
      if (at < 0) return false;
    } else if (code === OPEN_MAP || code === OPEN_LIST) {
      depth += 1;
      if (depth > levels) return true;
    } else if (code === CLOSE_MAP || code === CLOSE_LIST) depth -= 1;
  }
  return false;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_MAP = 0x7b;
const CLOSE_MAP = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** -1: the string does not end, and the text is no JSON. */
function closingQuote(text: string, open: number): number {
  let at = text.indexOf('"', open + 1);
  while (at >= 0) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
    at = text.indexOf('"', at + 1);
  }
  return -1;
}
