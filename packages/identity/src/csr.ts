/**
 * Key pair and certificate request (PKCS #10, RFC 2986) of a workload, and their check on the side of the CA.
 *
 * A request asks for nothing: its subject is empty and it has no attributes. The CA takes two things from it, the
 * public key and the proof that the sender holds the private one. Both ends are own code on a few dozen bytes of DER:
 * the general library costs a process 105 ms and 24 MB to load, which a sidecar should not pay for one message.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { objectId } from './certificate-facts.ts';
import { contentOf, derTag, encodingOf, readElements, readWholeSequence, writeElement } from './der.ts';

export interface KeyAndCsr {
  /** PKCS #8. It never leaves the folder of the workload. */
  readonly keyPem: string;
  /** DER. */
  readonly csr: Buffer;
}

export type CsrFault = 'csr-too-large' | 'csr-malformed' | 'csr-key' | 'csr-signature';

// One of ours has 220 bytes; other tools add a subject and extensions, which are ignored.
const largestCsrBytes = 4096;
// SubjectPublicKeyInfo of a P-256 key up to and including the mark of an uncompressed point (RFC 5480 2).
const p256Prefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const p256Bytes = p256Prefix.length + 64;
const ecdsaSha256 = writeElement(
  derTag.sequence,
  writeElement(derTag.objectId, Buffer.from(objectId.ecdsaSha256, 'hex')),
);

/** Makes a fresh P-256 key and a request for it: a new key with every leaf. About 0.1 ms. */
export function makeKeyAndCsr(): KeyAndCsr {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    csr: writeCsr(privateKey),
  };
}

/** The request for an existing P-256 key, as DER. */
export function makeCsr(keyPem: string): Buffer {
  return writeCsr(createPrivateKey(keyPem));
}

/**
 * Checks an untrusted request: bounded, P-256, signed by the key it names (RFC 2986 3). Returns the public key as DER of
 * its SubjectPublicKeyInfo, a view into `csr`, and nothing else of it. Never throws.
 */
export function readCsr(csr: Buffer): Result<Buffer, CsrFault> {
  if (csr.length > largestCsrBytes) return fail('csr-too-large');
  const outer = readWholeSequence(csr);
  const info = outer?.length === 3 ? readElements(csr, outer[0]!) : undefined;
  if (outer === undefined || info === undefined || info.length < 3) return fail('csr-malformed');
  const spki = encodingOf(csr, info[2]!);
  if (spki.length !== p256Bytes || !spki.subarray(0, p256Prefix.length).equals(p256Prefix)) return fail('csr-key');
  if (!encodingOf(csr, outer[1]!).equals(ecdsaSha256)) return fail('csr-signature');
  const signature = contentOf(csr, outer[2]!);
  // A BIT STRING of whole bytes: its first byte counts unused bits.
  if (outer[2]!.tag !== derTag.bitString || signature[0] !== 0) return fail('csr-malformed');
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const isSigned = verify('sha256', encodingOf(csr, outer[0]!), key, signature.subarray(1));
    return isSigned ? ok(spki) : fail('csr-signature');
  } catch {
    // The point is not on the curve.
    return fail('csr-key');
  }
}

function writeCsr(key: KeyObject): Buffer {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const info = writeElement(
    derTag.sequence,
    writeElement(derTag.integer, Buffer.of(0)),
    writeElement(derTag.sequence),
    spki,
    writeElement(0xa0),
  );
  const signature = writeElement(derTag.bitString, Buffer.of(0), sign('sha256', info, key));
  return writeElement(derTag.sequence, info, ecdsaSha256, signature);
}
