/**
 * Certificates for tests, right and wrong: written element by element, because no library that is any good would make
 * the wrong ones. Not exported from the package.
 */
import { X509Certificate, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { derTag, writeElement } from './der.ts';
import { readTrustBundle } from './trust-bundle.ts';
import type { TrustBundle } from './trust-bundle.ts';

export const trustDomain = 'cluster.local';
export const cartId = 'spiffe://cluster.local/ns/shop/sa/cart';

export interface CaseOptions {
  readonly uris?: readonly (string | Buffer)[];
  readonly isCa?: boolean | undefined;
  readonly pathLength?: number;
  /** Bits as written: the first byte of the BIT STRING; undefined leaves the extension out. */
  readonly keyUsage?: number | undefined;
  readonly extendedKeyUsages?: readonly string[] | undefined;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly subject?: string;
  readonly extraExtensions?: readonly Buffer[];
  readonly signatureOid?: string;
}

export interface MadeCertificate {
  readonly certificate: X509Certificate;
  readonly pem: string;
  readonly keyPem: string;
  readonly key: KeyObject;
  readonly subject: string;
}

export const usage = { digitalSignature: 0x80, keyCertSign: 0x04, crlSign: 0x02 } as const;
export const serverAuth = '2b06010505070301';
export const clientAuth = '2b06010505070302';

const dayMs = 86_400_000;

/** A root of its own, or, with an issuer, an intermediate. */
export function makeCa(nowMs: number, options: CaseOptions = {}, issuer?: MadeCertificate): MadeCertificate {
  return makeCertificate(
    nowMs,
    {
      subject: `CA ${randomBytes(3).toString('hex')}`,
      isCa: true,
      keyUsage: usage.keyCertSign | usage.crlSign,
      ...options,
    },
    issuer,
  );
}

/** A right leaf, but for what the options say. */
export function makeLeaf(nowMs: number, issuer: MadeCertificate, options: CaseOptions = {}): MadeCertificate {
  return makeCertificate(
    nowMs,
    {
      subject: '',
      uris: [cartId],
      isCa: false,
      keyUsage: usage.digitalSignature,
      extendedKeyUsages: [serverAuth, clientAuth],
      ...options,
    },
    issuer,
  );
}

/** A bundle of the given roots. */
export function bundleOf(...roots: readonly MadeCertificate[]): TrustBundle {
  const bundle = readTrustBundle(roots.map((root) => root.pem).join(''), trustDomain);
  if (!bundle.ok) throw new Error(bundle.error);
  return bundle.value;
}

/** One extension: hex of the object identifier, critical or not, DER of the value. */
export function extension(oid: string, isCritical: boolean, value: Buffer): Buffer {
  const critical = isCritical ? [Buffer.of(derTag.boolean, 1, 0xff)] : [];
  return sequence(objectIdentifier(oid), ...critical, writeElement(derTag.octetString, value));
}

/** Name constraints with the given URI hosts permitted. */
export function permittedHosts(...hosts: readonly string[]): Buffer {
  const subtrees = hosts.map((host) => sequence(writeElement(0x86, Buffer.from(host))));
  return extension('551d1e', true, sequence(writeElement(0xa0, ...subtrees)));
}

/** The subjectAltName extension with the given URIs. */
export function uriNames(uris: readonly (string | Buffer)[]): Buffer {
  return extension('551d11', true, sequence(...uris.map((uri) => writeElement(0x86, Buffer.from(uri)))));
}

function makeCertificate(nowMs: number, options: CaseOptions, issuer?: MadeCertificate): MadeCertificate {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = options.subject ?? '';
  const algorithm = sequence(objectIdentifier(options.signatureOid ?? '2a8648ce3d040302'));
  const body = sequence(
    writeElement(0xa0, Buffer.of(derTag.integer, 1, 2)),
    writeElement(derTag.integer, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    distinguishedName(issuer?.subject ?? subject),
    sequence(time(options.notBeforeMs ?? nowMs - 60_000), time(options.notAfterMs ?? nowMs + dayMs)),
    distinguishedName(subject),
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    writeElement(0xa3, sequence(...extensionsOf(options))),
  );
  const signature = sign('sha256', body, issuer?.key ?? privateKey);
  const der = sequence(body, algorithm, writeElement(derTag.bitString, Buffer.of(0), signature));
  const certificate = new X509Certificate(der);
  return {
    certificate,
    pem: certificate.toString(),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    key: privateKey,
    subject,
  };
}

function extensionsOf(options: CaseOptions): Buffer[] {
  const list: Buffer[] = [];
  if (options.isCa !== undefined) {
    const parts = options.isCa ? [Buffer.of(derTag.boolean, 1, 0xff)] : [];
    if (options.pathLength !== undefined) parts.push(Buffer.of(derTag.integer, 1, options.pathLength));
    list.push(extension('551d13', true, sequence(...parts)));
  }
  if (options.keyUsage !== undefined) {
    list.push(extension('551d0f', true, writeElement(derTag.bitString, Buffer.of(0, options.keyUsage))));
  }
  if (options.extendedKeyUsages !== undefined) {
    list.push(extension('551d25', false, sequence(...options.extendedKeyUsages.map(objectIdentifier))));
  }
  if (options.uris !== undefined) list.push(uriNames(options.uris));
  return [...list, ...(options.extraExtensions ?? [])];
}

function distinguishedName(commonName: string): Buffer {
  if (commonName === '') return sequence();
  const name = sequence(objectIdentifier('550403'), writeElement(0x0c, Buffer.from(commonName)));
  return sequence(writeElement(0x31, name));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return writeElement(derTag.utcTime, Buffer.from(`${digits}Z`));
}

function objectIdentifier(hex: string): Buffer {
  return writeElement(derTag.objectId, Buffer.from(hex, 'hex'));
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return writeElement(derTag.sequence, ...parts);
}
