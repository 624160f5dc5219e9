/**
 * What a certificate says, read from its DER: the facts that decide whether it is an X.509-SVID.
 *
 * OpenSSL's own text of the names (`subjectAltName` of Node) is never consulted: quoting and NUL bytes in it have been
 * a source of confused identities (CVE-2021-44532, CVE-2021-44533). Reasons are stable tokens.
 */
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { contentOf, derTag, encodingOf, readElement, readElements, readWholeSequence } from './der.ts';
import type { DerElement } from './der.ts';

export interface CertificateFacts {
  /** Encoded names, compared byte for byte (RFC 5280 4.1.2.4 lets issuers copy them so). */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Object identifier as hex of its DER content. */
  readonly signatureAlgorithm: string;
  readonly uriNames: readonly string[];
  readonly isCa: boolean;
  /** Most intermediates that may stand below this CA; undefined without a limit. */
  readonly pathLength: number | undefined;
  /** Bits as in RFC 5280 4.2.1.3, digitalSignature being bit 0; undefined when the extension is absent. */
  readonly keyUsage: number | undefined;
  /** Hex of object identifiers; undefined when the extension is absent. */
  readonly extendedKeyUsages: readonly string[] | undefined;
  /** URI hosts a CA is confined to (RFC 5280 4.2.1.10); undefined when it is not confined. */
  readonly permittedUriHosts: readonly string[] | undefined;
  readonly excludedUriHosts: readonly string[];
  /** RFC 5280 4.2.1.2; undefined when the extension is absent. */
  readonly subjectKeyIdentifier: Buffer | undefined;
}

export type CertificateFault =
  | 'certificate-malformed'
  | 'certificate-too-large'
  | 'unknown-critical-extension'
  | 'san-encoding';

export const keyUsageBit = { digitalSignature: 1 << 0, keyCertSign: 1 << 5, crlSign: 1 << 6 } as const;

/** Hex of DER object identifiers. */
export const objectId = {
  serverAuth: '2b06010505070301',
  clientAuth: '2b06010505070302',
  anyExtendedKeyUsage: '551d2500',
  ecdsaSha256: '2a8648ce3d040302',
  ecdsaSha384: '2a8648ce3d040303',
  ecdsaSha512: '2a8648ce3d040304',
  rsaSha256: '2a864886f70d01010b',
  rsaSha384: '2a864886f70d01010c',
  rsaSha512: '2a864886f70d01010d',
  ed25519: '2b6570',
} as const;

const extension = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  nameConstraints: '551d1e',
  extendedKeyUsage: '551d25',
} as const;

// A leaf of ours is 500 bytes; a large RSA one with many names 4 KiB.
const largestCertificateBytes = 16_384;
const uriNameTag = 0x86;

/** Reads one certificate. The facts hold views into `der`, which the caller must leave unchanged. Never throws. */
export function readCertificateFacts(der: Buffer): Result<CertificateFacts, CertificateFault> {
  if (der.length > largestCertificateBytes) return fail('certificate-too-large');
  const outer = readWholeSequence(der);
  const body = outer?.length === 3 ? readElements(der, outer[0]!) : undefined;
  if (outer === undefined || body === undefined) return fail('certificate-malformed');
  // RFC 5280 4.1: [0] version, serial, signature, issuer, validity, subject, key, then [3] extensions.
  const isVersion3 = body[0]?.tag === 0xa0 && contentOf(der, body[0]).equals(version3);
  if (!isVersion3 || body.length < 8) return fail('certificate-malformed');
  const signature = readElements(der, outer[1]!);
  const validity = readElements(der, body[4]!);
  const last = body.at(-1)!;
  const wrapped = last.tag === 0xa3 ? readElements(der, last) : undefined;
  const extensions = wrapped?.length === 1 ? readElements(der, wrapped[0]!) : undefined;
  if (signature?.[0]?.tag !== derTag.objectId || validity?.length !== 2 || extensions === undefined)
    return fail('certificate-malformed');
  // RFC 5280 4.1.1.2: the algorithm inside and outside the signed part must be the same.
  if (!encodingOf(der, outer[1]!).equals(encodingOf(der, body[2]!))) return fail('certificate-malformed');
  const notBeforeMs = readTime(der, validity[0]!);
  const notAfterMs = readTime(der, validity[1]!);
  if (notBeforeMs === undefined || notAfterMs === undefined) return fail('certificate-malformed');

  const facts = {
    issuer: encodingOf(der, body[3]!),
    subject: encodingOf(der, body[5]!),
    notBeforeMs,
    notAfterMs,
    signatureAlgorithm: contentOf(der, signature[0]).toString('hex'),
    uriNames: [] as string[],
    isCa: false,
    pathLength: undefined as number | undefined,
    keyUsage: undefined as number | undefined,
    extendedKeyUsages: undefined as string[] | undefined,
    permittedUriHosts: undefined as string[] | undefined,
    excludedUriHosts: [] as string[],
    subjectKeyIdentifier: undefined as Buffer | undefined,
  };
  const seen = new Set<string>();
  for (const element of extensions) {
    const parts = readElements(der, element);
    const id = parts?.[0];
    const value = parts?.at(-1);
    if (id?.tag !== derTag.objectId || value?.tag !== derTag.octetString || parts!.length > 3)
      return fail('certificate-malformed');
    let isCritical = false;
    if (parts!.length === 3) {
      const flag = parts![1]!;
      // DER leaves FALSE, the default, out; TRUE is 0xff (X.690 11.1, 11.5).
      if (flag.tag !== derTag.boolean || flag.end - flag.contentAt !== 1 || der[flag.contentAt] !== 0xff)
        return fail('certificate-malformed');
      isCritical = true;
    }
    const name = contentOf(der, id).toString('hex');
    // RFC 5280 4.2: no extension twice. Two SAN extensions would be two identities for two readers.
    if (seen.has(name)) return fail('certificate-malformed');
    seen.add(name);
    const content = readElement(der, value.contentAt, value.end);
    if (content === undefined || content.end !== value.end) return fail('certificate-malformed');
    const fault = readExtension(der, name, content, isCritical, facts);
    if (fault !== undefined) return fail(fault);
  }
  return ok(facts);
}

const version3 = Buffer.of(derTag.integer, 1, 2);

interface ExtensionFacts {
  uriNames: string[];
  isCa: boolean;
  pathLength: number | undefined;
  keyUsage: number | undefined;
  extendedKeyUsages: string[] | undefined;
  permittedUriHosts: string[] | undefined;
  excludedUriHosts: string[];
  subjectKeyIdentifier: Buffer | undefined;
}

function readExtension(
  der: Buffer,
  name: string,
  content: DerElement,
  isCritical: boolean,
  facts: ExtensionFacts,
): CertificateFault | undefined {
  switch (name) {
    case extension.subjectAltName:
      return readSubjectAltName(der, content, facts);
    case extension.basicConstraints:
      return readBasicConstraints(der, content, facts);
    case extension.keyUsage:
      return readKeyUsage(der, content, facts);
    case extension.extendedKeyUsage:
      return readExtendedKeyUsage(der, content, facts);
    case extension.nameConstraints:
      return readNameConstraints(der, content, facts);
    case extension.subjectKeyIdentifier:
      if (content.tag !== derTag.octetString) return 'certificate-malformed';
      facts.subjectKeyIdentifier = contentOf(der, content);
      return undefined;
    default:
      return isCritical ? 'unknown-critical-extension' : undefined;
  }
}

function readSubjectAltName(der: Buffer, content: DerElement, facts: ExtensionFacts) {
  const names = content.tag === derTag.sequence ? readElements(der, content) : undefined;
  if (names === undefined) return 'certificate-malformed';
  for (const name of names) {
    if (name.tag !== uriNameTag) continue;
    const text = readIa5(contentOf(der, name));
    if (text === undefined) return 'san-encoding';
    facts.uriNames.push(text);
  }
  return undefined;
}

function readBasicConstraints(der: Buffer, content: DerElement, facts: ExtensionFacts) {
  const parts = content.tag === derTag.sequence ? readElements(der, content) : undefined;
  if (parts === undefined || parts.length > 2) return 'certificate-malformed';
  const first = parts[0];
  if (first === undefined) return undefined;
  if (first.tag !== derTag.boolean || first.end - first.contentAt !== 1) return 'certificate-malformed';
  facts.isCa = der[first.contentAt] !== 0;
  const limit = parts[1];
  if (limit === undefined) return undefined;
  // One byte holds every path length worth having.
  if (limit.tag !== derTag.integer || limit.end - limit.contentAt !== 1) return 'certificate-malformed';
  const pathLength = der[limit.contentAt]!;
  if (pathLength > 0x7f) return 'certificate-malformed';
  facts.pathLength = pathLength;
  return undefined;
}

function readKeyUsage(der: Buffer, content: DerElement, facts: ExtensionFacts) {
  const length = content.end - content.contentAt;
  if (content.tag !== derTag.bitString || length < 2 || length > 3) return 'certificate-malformed';
  // Bit 0 is the highest of the first byte; turned round so that bit n is 1 << n.
  let bits = 0;
  for (let bit = 0; bit < 8; bit++) {
    if ((der[content.contentAt + 1]! & (0x80 >> bit)) !== 0) bits |= 1 << bit;
  }
  facts.keyUsage = bits;
  return undefined;
}

function readExtendedKeyUsage(der: Buffer, content: DerElement, facts: ExtensionFacts) {
  const usages = content.tag === derTag.sequence ? readElements(der, content) : undefined;
  if (usages === undefined || usages.some((usage) => usage.tag !== derTag.objectId)) return 'certificate-malformed';
  facts.extendedKeyUsages = usages.map((usage) => contentOf(der, usage).toString('hex'));
  return undefined;
}

function readNameConstraints(der: Buffer, content: DerElement, facts: ExtensionFacts) {
  const lists = content.tag === derTag.sequence ? readElements(der, content) : undefined;
  if (lists === undefined) return 'certificate-malformed';
  for (const list of lists) {
    const subtrees = readElements(der, list);
    if (subtrees === undefined || (list.tag !== 0xa0 && list.tag !== 0xa1)) return 'certificate-malformed';
    for (const subtree of subtrees) {
      // RFC 5280 4.2.1.10: minimum is always 0 and maximum absent, so a subtree is its base alone.
      const base = readElements(der, subtree);
      if (base?.length !== 1) return 'certificate-malformed';
      if (base[0]!.tag !== uriNameTag) continue;
      const host = readIa5(contentOf(der, base[0]!));
      if (host === undefined) return 'certificate-malformed';
      if (list.tag === 0xa0) (facts.permittedUriHosts ??= []).push(host);
      else facts.excludedUriHosts.push(host);
    }
  }
  return undefined;
}

/** Printable ASCII only: NUL, controls and high bytes have no place in a URI (RFC 3986 2). */
function readIa5(bytes: Buffer): string | undefined {
  for (const byte of bytes) if (byte <= 0x20 || byte >= 0x7f) return undefined;
  return bytes.toString('latin1');
}

/** RFC 5280 4.1.2.5: UTCTime until 2049, GeneralizedTime after, both in Zulu with seconds. */
function readTime(der: Buffer, element: DerElement): number | undefined {
  const text = contentOf(der, element).toString('latin1');
  const isUtc = element.tag === derTag.utcTime;
  if (!isUtc && element.tag !== derTag.generalizedTime) return undefined;
  const match = (isUtc ? utcTime : generalizedTime).exec(text);
  if (match === null) return undefined;
  let year = Number(match[1]);
  if (isUtc) year += year < 50 ? 2000 : 1900;
  const month = Number(match[2]);
  const day = Number(match[3]);
  const hour = Number(match[4]);
  const minute = Number(match[5]);
  const second = Number(match[6]);
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return undefined;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const utcTime = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
const generalizedTime = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
