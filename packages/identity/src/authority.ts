/**
 * The certificate authority: one signing certificate and its key. It decides nothing about who a workload is; that is
 * attestation, done before `issue` is called. Several authorities may stand side by side while roots change
 * (authority-folder.ts).
 *
 * Roots are confined to their trust domain by a critical URI name constraint (RFC 5280 4.2.1.10), which OpenSSL 3
 * enforces and svid.ts too: the stolen key of one mesh makes no identities of another.
 */
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { assert, fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { keyUsageBit, objectId, readCertificateFacts } from './certificate-facts.ts';
import { makeKeyAndCsr, readCsr } from './csr.ts';
import type { CsrFault } from './csr.ts';
import { derTag, writeElement } from './der.ts';
import { writeLeafCertificate } from './leaf-certificate.ts';
import type { SigningAlgorithm } from './leaf-certificate.ts';
import { leafBackdateMs } from './rotation.ts';
import { readSpiffeId } from './spiffe-id.ts';
import { certificateFingerprint, readCertificates, readTrustBundle } from './trust-bundle.ts';
import type { TrustBundle } from './trust-bundle.ts';
import { readPrivateKey, readWorkloadSvid } from './workload-svid.ts';
import type { WorkloadSvid } from './workload-svid.ts';
import { loadX509 } from './x509-library.ts';

/** PEM of a signing certificate (then its issuers up to the root, when it is an intermediate) and its key. */
export interface AuthorityMaterial {
  readonly certificatePem: string;
  readonly keyPem: string;
}

export interface IssueRequest {
  /** DER, as the workload sent it. Only its key is used. */
  readonly csr: Buffer;
  /** The attested SPIFFE ID. */
  readonly id: string;
  readonly lifetimeMs: number;
  /** Unix ms. */
  readonly nowMs: number;
}

export interface IssuedSvid {
  /** Leaf first, then intermediates; the root is left out. */
  readonly certificatesPem: string;
  /** Hex; 128 of its bits are random. */
  readonly serial: string;
  /** Unix ms. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export type IssueFault = CsrFault | 'id-not-ours' | 'authority-expired';

export type AuthorityFault =
  | 'certificate-malformed'
  | 'key-malformed'
  | 'key-mismatch'
  | 'key-unsupported'
  | 'not-a-ca'
  | 'chain-without-root'
  | 'trust-domain-malformed';

/** Makes a root of its own for a trust domain. The material is to be sealed at once (authority-folder.ts). */
export async function createAuthority(options: {
  readonly trustDomain: string;
  readonly aliases?: readonly string[];
  readonly lifetimeMs: number;
  /** Unix ms. */
  readonly nowMs: number;
}): Promise<AuthorityMaterial> {
  const x509 = await loadX509();
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const spki = spkiOf(publicKey);
  const domains = [options.trustDomain, ...(options.aliases ?? [])];
  // The name tells roots of one mesh apart; the random part also keeps two roots from ever answering to one name.
  const subject = `CN=Weft root ${randomBytes(4).toString('hex')}`;
  const root = await x509.X509CertificateGenerator.create({
    serialNumber: `01${randomBytes(16).toString('hex')}`,
    subject,
    issuer: subject,
    notBefore: new Date(options.nowMs - leafBackdateMs),
    notAfter: new Date(options.nowMs + options.lifetimeMs),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    publicKey: view(spki),
    signingKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
    extensions: [
      // Leaves only below it: a path length of 0.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      new x509.SubjectKeyIdentifierExtension(identifyKey(spki).toString('hex')),
      // X509-SVID 3.2: a signing certificate's own ID has no path.
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `spiffe://${options.trustDomain}` }]),
      new x509.Extension('2.5.29.30', true, view(nameConstraints(domains))),
    ],
  });
  return {
    certificatePem: `${root.toString('pem')}\n`,
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/** Reads material from disk or from the user. The key may be ECDSA on P-256 or P-384, or RSA of 2048 bits and more. */
export async function readAuthority(
  material: AuthorityMaterial,
  trustDomain: string,
  aliases: readonly string[] = [],
): Promise<Result<Authority, AuthorityFault>> {
  const chain = readCertificates(material.certificatePem);
  const signer = chain?.[0];
  if (chain === undefined || signer === undefined) return fail('certificate-malformed');
  const facts = readCertificateFacts(signer.raw);
  if (!facts.ok) return fail('certificate-malformed');
  const key = readPrivateKey(material.keyPem);
  if (key === undefined) return fail('key-malformed');
  if (!signer.checkPrivateKey(key)) return fail('key-mismatch');
  const algorithm = signingAlgorithm(key);
  if (algorithm === undefined) return fail('key-unsupported');
  const maySign = facts.value.keyUsage === undefined || (facts.value.keyUsage & keyUsageBit.keyCertSign) !== 0;
  if (!facts.value.isCa || !maySign) return fail('not-a-ca');
  for (let index = 1; index < chain.length; index++) {
    if (!chain[index - 1]!.verify(chain[index]!.publicKey)) return fail('chain-without-root');
  }
  const root = chain.at(-1)!;
  if (!root.verify(root.publicKey)) return fail('chain-without-root');
  const bundle = readTrustBundle(root.toString(), trustDomain, aliases);
  if (!bundle.ok) {
    return fail(bundle.error === 'trust-domain-malformed' ? 'trust-domain-malformed' : 'not-a-ca');
  }
  // What vouches ends with the first certificate of the chain that ends.
  let notAfterMs = facts.value.notAfterMs;
  for (const above of chain.slice(1)) {
    const aboveFacts = readCertificateFacts(above.raw);
    if (!aboveFacts.ok || !aboveFacts.value.isCa) return fail('not-a-ca');
    notAfterMs = Math.min(notAfterMs, aboveFacts.value.notAfterMs);
  }
  const intermediates = chain.length > 1 ? chain.slice(0, -1) : [];
  return ok(
    new Authority({
      material,
      bundle: bundle.value,
      signer,
      issuer: facts.value.subject,
      key,
      algorithm,
      keyIdentifier: facts.value.subjectKeyIdentifier ?? identifyKey(spkiOf(signer.publicKey)),
      intermediatesPem: intermediates.map((certificate) => certificate.toString()).join(''),
      notAfterMs,
    }),
  );
}

interface AuthorityParts {
  readonly material: AuthorityMaterial;
  readonly bundle: TrustBundle;
  readonly signer: X509Certificate;
  /** DER of the signer's subject. */
  readonly issuer: Buffer;
  readonly key: KeyObject;
  readonly algorithm: SigningAlgorithm;
  readonly keyIdentifier: Buffer;
  readonly intermediatesPem: string;
  readonly notAfterMs: number;
}

/** Made by `readAuthority`. */
export class Authority {
  readonly #parts: AuthorityParts;

  constructor(parts: AuthorityParts) {
    this.#parts = parts;
  }

  /** The one root its leaves are verified against. */
  get bundle(): TrustBundle {
    return this.#parts.bundle;
  }

  /** Hex SHA-256 of the root. */
  get rootFingerprint(): string {
    return this.#parts.bundle.roots[0]!.fingerprint;
  }

  /** Hex SHA-256 of the signing certificate: the root itself or an intermediate. */
  get signerFingerprint(): string {
    return certificateFingerprint(this.#parts.signer);
  }

  /** Unix ms: no leaf outlives it. */
  get notAfterMs(): number {
    return this.#parts.notAfterMs;
  }

  /** Key included: for the sealed folder only. */
  get material(): AuthorityMaterial {
    return this.#parts.material;
  }

  /**
   * Signs a leaf for an attested identity. Whatever the request asked for beside its key is ignored. The leaf ends
   * with the authority when that is sooner than its lifetime. A promise, although this signer answers at once (0.19 ms
   * of processor): one outside the process would not.
   */
  async issue(request: IssueRequest): Promise<Result<IssuedSvid, IssueFault>> {
    const { bundle, notAfterMs: endMs, intermediatesPem } = this.#parts;
    const id = readSpiffeId(request.id);
    const isOurs =
      id.ok &&
      id.value.path !== '' &&
      (id.value.trustDomain === bundle.trustDomain || bundle.aliases.includes(id.value.trustDomain));
    if (!isOurs) return fail('id-not-ours');
    if (request.nowMs >= endMs) return fail('authority-expired');
    const spki = readCsr(request.csr);
    if (!spki.ok) return spki;

    // 128 random bits behind a 01, which keeps the integer positive and minimal (RFC 5280 4.1.2.2).
    const serial = `01${randomBytes(16).toString('hex')}`;
    // Certificates count seconds: whole ones, so that what is said here is what is in the leaf.
    const notBeforeMs = wholeSecond(request.nowMs - leafBackdateMs);
    const notAfterMs = wholeSecond(Math.min(request.nowMs + request.lifetimeMs, endMs));
    const leaf = writeLeafCertificate(
      {
        serial,
        issuer: this.#parts.issuer,
        spki: spki.value,
        id: request.id,
        notBeforeMs,
        notAfterMs,
        subjectKeyIdentifier: identifyKey(spki.value),
        authorityKeyIdentifier: this.#parts.keyIdentifier,
      },
      this.#parts.key,
      this.#parts.algorithm,
    );
    return ok({
      certificatesPem: `${writePem(leaf)}${intermediatesPem}`,
      serial,
      notBeforeMs,
      notAfterMs,
    });
  }

  /** A leaf with a fresh key for the process that holds the authority itself: the control plane, a mesh in a test. */
  async issueOwn(id: string, lifetimeMs: number, nowMs: number): Promise<Result<WorkloadSvid, IssueFault>> {
    const { keyPem, csr } = makeKeyAndCsr();
    const issued = await this.issue({ csr, id, lifetimeMs, nowMs });
    if (!issued.ok) return issued;
    const svid = readWorkloadSvid(keyPem, issued.value.certificatesPem);
    assert(svid.ok, 'a leaf just issued can be read');
    return svid;
  }
}

/** RFC 5758 3.2 for ECDSA, RFC 4055 5 for RSA. Undefined for keys that peers may not be able to check. */
function signingAlgorithm(key: KeyObject): SigningAlgorithm | undefined {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'rsa') {
    if ((details?.modulusLength ?? 0) < 2048) return undefined;
    return { objectId: objectId.rsaSha256, hash: 'sha256', hasNull: true };
  }
  if (key.asymmetricKeyType !== 'ec') return undefined;
  if (details?.namedCurve === 'prime256v1') return { objectId: objectId.ecdsaSha256, hash: 'sha256', hasNull: false };
  if (details?.namedCurve === 'secp384r1') return { objectId: objectId.ecdsaSha384, hash: 'sha384', hasNull: false };
  return undefined;
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** The SHA-256 of the key, cut to 160 bits (RFC 7093 2, method 1, over the whole SubjectPublicKeyInfo). */
function identifyKey(spki: Buffer): Buffer {
  return createHash('sha256').update(spki).digest().subarray(0, 20);
}

/** RFC 7468 5. */
function writePem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** NameConstraints with the trust domains as the only permitted URI hosts. */
function nameConstraints(domains: readonly string[]): Buffer {
  const subtrees = domains.map((domain) => writeElement(derTag.sequence, writeElement(0x86, Buffer.from(domain))));
  return writeElement(derTag.sequence, writeElement(0xa0, ...subtrees));
}

function wholeSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

/** The library takes buffers whose memory is not shared, which Node's type can't promise. */
function view(bytes: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
