/**
 * The roots a trust domain is verified against: an immutable set. A change of roots is another bundle, so whatever was
 * proven under one bundle (svid.ts keeps such proofs) is forgotten with it, and a removed root ends what it vouched for.
 */
import { X509Certificate, createHash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { keyUsageBit, readCertificateFacts } from './certificate-facts.ts';
import type { CertificateFacts } from './certificate-facts.ts';
import { isTrustDomain } from './spiffe-id.ts';

export interface TrustRoot {
  /** Lower-case hex of the SHA-256 of the certificate. */
  readonly fingerprint: string;
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly publicKey: KeyObject;
  readonly facts: CertificateFacts;
}

export interface TrustBundle {
  readonly trustDomain: string;
  /** Other names of the same trust domain: IDs under them are accepted too. */
  readonly aliases: readonly string[];
  /** In order of fingerprint, no two alike. May be empty: then nobody is trusted. */
  readonly roots: readonly TrustRoot[];
  /** Hash of everything above: equal content, equal generation, on every process. */
  readonly generation: string;
}

export type TrustBundleFault = 'bundle-malformed' | 'bundle-too-large' | 'root-not-ca' | 'trust-domain-malformed';

// A rotation holds two roots, a federation of clusters some more; each root costs a signature check per candidate.
const mostRoots = 64;
const pemBlock = /-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----/g;

/** Reads roots from PEM text; anything between the certificates is ignored, as OpenSSL does. */
export function readTrustBundle(
  pem: string,
  trustDomain: string,
  aliases: readonly string[] = [],
): Result<TrustBundle, TrustBundleFault> {
  if (!isTrustDomain(trustDomain) || !aliases.every(isTrustDomain)) return fail('trust-domain-malformed');
  const certificates = readCertificates(pem);
  if (certificates === undefined) return fail('bundle-malformed');
  if (certificates.length > mostRoots) return fail('bundle-too-large');
  const roots: TrustRoot[] = [];
  for (const certificate of certificates) {
    const facts = readCertificateFacts(certificate.raw);
    if (!facts.ok) return fail('bundle-malformed');
    const mayNotSign = facts.value.keyUsage !== undefined && (facts.value.keyUsage & keyUsageBit.keyCertSign) === 0;
    if (!facts.value.isCa || mayNotSign) return fail('root-not-ca');
    roots.push({
      fingerprint: certificateFingerprint(certificate),
      pem: certificate.toString(),
      certificate,
      publicKey: certificate.publicKey,
      facts: facts.value,
    });
  }
  return ok(trustBundle(trustDomain, aliases, roots));
}

/** Certificates of a PEM text in their order, or undefined when one can't be read. */
export function readCertificates(pem: string): X509Certificate[] | undefined {
  const certificates: X509Certificate[] = [];
  for (const [block] of pem.matchAll(pemBlock)) {
    try {
      certificates.push(new X509Certificate(block));
    } catch {
      return undefined;
    }
  }
  // A begin without its end is a damaged file, not an empty one.
  return certificates.length === pem.split('-----BEGIN CERTIFICATE-----').length - 1 ? certificates : undefined;
}

/** The roots of both; names are the first one's. */
export function uniteBundles(first: TrustBundle, second: TrustBundle): TrustBundle {
  return trustBundle(first.trustDomain, first.aliases, [...first.roots, ...second.roots]);
}

/** The bundle without one root; equal to the given one when the root is not in it. */
export function withoutRoot(bundle: TrustBundle, fingerprint: string): TrustBundle {
  const roots = bundle.roots.filter((root) => root.fingerprint !== fingerprint);
  return trustBundle(bundle.trustDomain, bundle.aliases, roots);
}

/** PEM of all roots, as `ca` of a SecureContext and for files. */
export function toCaPem(bundle: TrustBundle): string {
  return bundle.roots.map((root) => root.pem).join('');
}

/** Lower-case hex of the SHA-256 of a certificate: what join tokens pin. */
export function certificateFingerprint(certificate: X509Certificate): string {
  return createHash('sha256').update(certificate.raw).digest('hex');
}

function trustBundle(trustDomain: string, aliases: readonly string[], roots: readonly TrustRoot[]): TrustBundle {
  const byFingerprint = new Map(roots.map((root) => [root.fingerprint, root]));
  const sorted = [...byFingerprint.values()].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  const hash = createHash('sha256').update([trustDomain, ...aliases].join(' '));
  for (const root of sorted) hash.update(`\n${root.fingerprint}`);
  return { trustDomain, aliases, roots: sorted, generation: hash.digest('hex').slice(0, 16) };
}
