/**
 * SPIFFE IDs: `spiffe://<trust-domain>/<segment>/...`, and the shape Weft gives its workloads,
 * `spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>`.
 *
 * The grammar is SPIFFE-ID 2.1-2.4, read byte for byte. The spec lets a reader fold the case of scheme and trust
 * domain; this one refuses instead, because two spellings of one identity are two chances to get a comparison wrong.
 * What is accepted may therefore be compared with `===`.
 */
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';

/** Checked parts of a SPIFFE ID. `path` is empty for the ID of the trust domain itself, else starts with `/`. */
export interface SpiffeId {
  readonly text: string;
  readonly trustDomain: string;
  readonly path: string;
}

/** The names inside Weft's own ID shape. */
export interface WorkloadName {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Why a text is no SPIFFE ID: stable tokens, fit for logs and metric labels. */
export type SpiffeIdFault = 'id-too-long' | 'id-scheme' | 'id-trust-domain' | 'id-path-character' | 'id-path-segment';

// SPIFFE-ID 2.3: implementations support 2048 bytes and must not emit more; trust domains end at 255 (2.1).
const longestIdBytes = 2048;
const longestTrustDomainBytes = 255;
const scheme = 'spiffe://';
// These also exclude every non-ASCII character, so lengths in characters are lengths in bytes.
const trustDomainGrammar = /^[a-z0-9._-]+$/;
const pathGrammar = /^[a-zA-Z0-9._/-]*$/;
const segmentGrammar = /^[a-zA-Z0-9._-]+$/;

/** Reads an untrusted text as a SPIFFE ID. Never throws. */
export function readSpiffeId(text: string): Result<SpiffeId, SpiffeIdFault> {
  if (text.length > longestIdBytes) return fail('id-too-long');
  if (!text.startsWith(scheme)) return fail('id-scheme');
  const slash = text.indexOf('/', scheme.length);
  const trustDomain = slash < 0 ? text.slice(scheme.length) : text.slice(scheme.length, slash);
  if (!isTrustDomain(trustDomain)) return fail('id-trust-domain');
  const path = slash < 0 ? '' : text.slice(slash);
  if (!pathGrammar.test(path)) return fail('id-path-character');
  if (path !== '') {
    for (const segment of path.slice(1).split('/')) {
      // SPIFFE-ID 2.2: no empty segments (so no trailing slash either) and no dot segments.
      if (segment === '' || segment === '.' || segment === '..') return fail('id-path-segment');
    }
  }
  return ok({ text, trustDomain, path });
}

/** Whether a text may stand as a trust domain name (SPIFFE-ID 2.1). */
export function isTrustDomain(text: string): boolean {
  return text.length <= longestTrustDomainBytes && trustDomainGrammar.test(text);
}

/**
 * Writes the ID of a workload. Undefined when a part can't stand in an ID (bad characters, `.`, `..`, empty) or the
 * whole is longer than 2048 bytes: the caller says which resource the names came from.
 */
export function workloadId(trustDomain: string, namespace: string, serviceAccount: string): string | undefined {
  if (!isTrustDomain(trustDomain)) return undefined;
  if (!isSegment(namespace) || !isSegment(serviceAccount)) return undefined;
  const text = `${scheme}${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  return text.length <= longestIdBytes ? text : undefined;
}

/** The names in a workload's ID, or undefined when the (valid) ID has another shape than Weft's. */
export function readWorkloadName(id: SpiffeId): WorkloadName | undefined {
  const parts = id.path.split('/');
  if (parts.length !== 5 || parts[1] !== 'ns' || parts[3] !== 'sa') return undefined;
  return { namespace: parts[2]!, serviceAccount: parts[4]! };
}

function isSegment(text: string): boolean {
  return segmentGrammar.test(text) && text !== '.' && text !== '..';
}
