/**
 * Certificates of servers that are known by a DNS name and not by an identity of the mesh: webhooks, which an API server calls.
 * They have a root of their own, so that whoever trusts it trusts nothing else, and the roots of the mesh sign no DNS names.
 */
import { X509Certificate, createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { webcrypto } from 'node:crypto';
import { type Result, fail, ok } from '@weft/kernel';
import type { AuthorityMaterial } from './authority.ts';
import { leafBackdateMs } from './rotation.ts';
import { loadX509 } from './x509-library.ts';

export interface ServerCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Unix ms. */
  readonly notAfterMs: number;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Makes a root for servers; `lifetimeMs` from `nowMs` (Unix ms). */
export async function createServerRoot(lifetimeMs: number, nowMs: number): Promise<AuthorityMaterial> {
  const x509 = await loadX509();
  const { keyPem, pair } = newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Weft webhook root ${randomBytes(4).toString('hex')}`,
    notBefore: new Date(nowMs - leafBackdateMs),
    notAfter: new Date(nowMs + lifetimeMs),
    signingAlgorithm: algorithm,
    keys: pair,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  });
  return { certificatePem: `${certificate.toString('pem')}\n`, keyPem };
}

/** When a root ends, Unix ms; undefined when the text is no certificate or its key is another's. */
export function serverRootEnd({ certificatePem, keyPem }: AuthorityMaterial): number | undefined {
  try {
    const certificate = new X509Certificate(certificatePem);
    return certificate.checkPrivateKey(createPrivateKey(keyPem)) ? certificate.validToDate.getTime() : undefined;
  } catch {
    return undefined;
  }
}

/** Makes a certificate for `dnsNames`, at most as long-lived as its root. The error is a sentence. */
export async function issueServerCertificate(
  root: AuthorityMaterial,
  dnsNames: readonly string[],
  lifetimeMs: number,
  nowMs: number,
): Promise<Result<ServerCertificate, string>> {
  const rootEndMs = serverRootEnd(root);
  if (rootEndMs === undefined) return fail('the root is no certificate with its key');
  if (rootEndMs <= nowMs) return fail('the root has expired');
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(root.certificatePem);
  const { keyPem, pair } = newKeys();
  const notAfterMs = Math.min(nowMs + lifetimeMs, rootEndMs);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=${dnsNames[0] ?? 'weft'}`,
    issuer: issuer.subject,
    notBefore: new Date(nowMs - leafBackdateMs),
    notAfter: new Date(notAfterMs),
    signingAlgorithm: algorithm,
    publicKey: pair.publicKey,
    signingKey: createPrivateKey(root.keyPem).toCryptoKey(algorithm, false, ['sign']),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(dnsNames.map((value) => ({ type: 'dns', value }))),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return ok({ certificatePem: `${certificate.toString('pem')}\n${root.certificatePem}`, keyPem, notAfterMs });
}

function newKeys(): { keyPem: string; pair: webcrypto.CryptoKeyPair } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    pair: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
      publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
    } as webcrypto.CryptoKeyPair,
  };
}

/** A positive integer of 128 random bits (RFC 5280 §4.1.2.2). */
function serial(): string {
  return `01${randomBytes(16).toString('hex')}`;
}
