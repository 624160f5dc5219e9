/** A workload's own leaf with its key, read and checked before anything is served with it. */
import { createPrivateKey } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { readCertificateFacts } from './certificate-facts.ts';
import { readSpiffeId } from './spiffe-id.ts';
import { certificateFingerprint, readCertificates } from './trust-bundle.ts';

export interface WorkloadSvid {
  /** SPIFFE ID of the leaf. */
  readonly id: string;
  /** PKCS #8. */
  readonly keyPem: string;
  /** Leaf first, then intermediates. */
  readonly certificatesPem: string;
  readonly chain: readonly X509Certificate[];
  readonly leafFingerprint: string;
  /** Unix ms; of the leaf alone. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export type WorkloadSvidFault = 'leaf-malformed' | 'key-malformed' | 'key-mismatch';

/**
 * Reads key and chain as they came from the CA or the disk. Says nothing about trust: `verifySvid(svid.chain, ...)`
 * does, and is worth asking before a stored leaf is used.
 */
export function readWorkloadSvid(keyPem: string, certificatesPem: string): Result<WorkloadSvid, WorkloadSvidFault> {
  const chain = readCertificates(certificatesPem);
  const leaf = chain?.[0];
  if (chain === undefined || leaf === undefined) return fail('leaf-malformed');
  const facts = readCertificateFacts(leaf.raw);
  if (!facts.ok) return fail('leaf-malformed');
  const id = readSpiffeId(facts.value.uriNames[0] ?? '');
  if (!id.ok) return fail('leaf-malformed');
  const key = readPrivateKey(keyPem);
  if (key === undefined) return fail('key-malformed');
  if (!leaf.checkPrivateKey(key)) return fail('key-mismatch');
  return ok({
    id: id.value.text,
    keyPem,
    certificatesPem,
    chain,
    leafFingerprint: certificateFingerprint(leaf),
    notBeforeMs: facts.value.notBeforeMs,
    notAfterMs: facts.value.notAfterMs,
  });
}

/** A private key of PEM text, or undefined when it is none. */
export function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
