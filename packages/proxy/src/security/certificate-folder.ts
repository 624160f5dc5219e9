import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { Clock } from '@weft/kernel';
import type { Log } from '../log.ts';

/** Files are looked at again so often, while handshakes ask for them. */
const LOOK_AGAIN_MS = 2_000;

/** `namespace/name`, both DNS names: nothing that leads out of the folder. */
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

// AEAD with forward secrecy only, also under TLS 1.2, which HTTP/2 asks for as well (RFC 9113 §9.2.2).
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

/** What every context of a server that is known by a name has in common. */
export const edgeTls: SecureContextOptions = Object.freeze({
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers,
  honorCipherOrder: true,
  ecdhCurve: 'X25519MLKEM768:X25519:P-256:P-384',
});

export interface EdgeCertificate {
  readonly context: SecureContext;
  readonly material: SecureContextOptions;
  /** Unix milliseconds. */
  readonly notAfterMs: number;
}

interface Entry {
  certificate: EdgeCertificate | null;
  /** Of both files when they were read last; empty when one was missing. */
  stamp: string;
  lookedMs: number;
  fault: string;
}

/**
 * The certificates of a gateway: `<folder>/<namespace>/<name>/tls.crt` and `tls.key`, as Kubernetes mounts a Secret and
 * as any tool writes them. Keys never leave the machine that serves with them. A pair that is replaced is taken within
 * two seconds for new connections; one that is broken or half written is not, and the one before goes on.
 */
export class CertificateFolder {
  readonly path: string;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly entries: Map<string, Entry>;

  /** An empty `path` holds no certificate. */
  constructor(path: string, clock: Clock, log: Log) {
    this.path = path;
    this.clock = clock;
    this.log = log;
    this.entries = new Map();
  }

  /** The first of these (`namespace/name`) that is there; undefined when none is. */
  first(names: readonly string[]): EdgeCertificate | undefined {
    for (const name of names) {
      const certificate = this.find(name);
      if (certificate !== null) return certificate;
    }
    return undefined;
  }

  /** Its name. */
  firstName(names: readonly string[]): string | undefined {
    return names.find((name) => this.find(name) !== null);
  }

  private find(name: string): EdgeCertificate | null {
    if (this.path === '' || !NAME.test(name) || name.includes('..')) return null;
    let entry = this.entries.get(name);
    if (entry === undefined) {
      entry = { certificate: null, stamp: '', lookedMs: Number.NEGATIVE_INFINITY, fault: '' };
      this.entries.set(name, entry);
    }
    const nowMs = this.clock.nowMs();
    if (nowMs - entry.lookedMs >= LOOK_AGAIN_MS) {
      entry.lookedMs = nowMs;
      this.look(name, entry);
    }
    return entry.certificate;
  }

  private look(name: string, entry: Entry): void {
    const files = [join(this.path, name, 'tls.crt'), join(this.path, name, 'tls.key')] as const;
    try {
      const stamp = files.map(stampOf).join(' ');
      if (stamp === entry.stamp) return;
      const certificate = readPair(files[0], files[1]);
      if (entry.certificate !== null) this.log.info('certificate replaced', { certificate: name });
      entry.certificate = certificate;
      entry.stamp = stamp;
      entry.fault = '';
    } catch (error) {
      // Said once, not at every handshake.
      const fault = error instanceof Error ? error.message : String(error);
      if (fault !== entry.fault) this.log.warn(`certificate ${name} not usable: ${fault}`, { certificate: name });
      entry.fault = fault;
    }
  }
}

function stampOf(file: string): string {
  const { ino, size, mtimeMs } = statSync(file);
  return `${ino} ${size} ${mtimeMs}`;
}

function readPair(certificateFile: string, keyFile: string): EdgeCertificate {
  const cert = readFileSync(certificateFile);
  const key = readFileSync(keyFile);
  const leaf = new X509Certificate(cert);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error('tls.key is not the key of tls.crt');
  const material: SecureContextOptions = { ...edgeTls, cert, key };
  return { context: createSecureContext(material), material, notAfterMs: leaf.validToDate.getTime() };
}
