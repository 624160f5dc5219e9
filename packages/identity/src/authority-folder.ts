/**
 * The authorities of one control plane on disk: one signs, all are trusted.
 *
 * ```
 *   create ──> prepared ──activate──> signing ──(another is activated)──> retired ──remove──> gone
 *                └──────────────── trusted, in every bundle ────────────────┘
 * ```
 * So a root is changed without a failed handshake: a new one is prepared, its bundle reaches every sidecar, it is
 * activated, and the old one is removed when its last leaf is over.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { assert, fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { createAuthority, readAuthority } from './authority.ts';
import type { Authority, AuthorityMaterial } from './authority.ts';
import { damagedFile, openSealedFolder, readSealedFile, removeSealedFile, writeSealedFile } from './sealed-file.ts';
import type { SealedFileFault } from './sealed-file.ts';
import { uniteBundles } from './trust-bundle.ts';
import type { TrustBundle } from './trust-bundle.ts';

export interface AuthorityFolderOptions {
  readonly path: string;
  readonly trustDomain: string;
  readonly aliases?: readonly string[];
  /** Of roots made here. */
  readonly rootLifetimeMs: number;
  /** Unix ms. */
  readonly nowMs: number;
}

const signingFile = 'signing';
const authorityFile = /^authority-[0-9a-f]{16}\.pem$/;
const largestFileBytes = 256 << 10;

/** Opens the folder; an empty one gets its first root, which signs at once. */
export async function openAuthorityFolder(
  options: AuthorityFolderOptions,
): Promise<Result<AuthorityFolder, SealedFileFault>> {
  const folder = openSealedFolder(options.path);
  if (!folder.ok) return folder;
  const authorities: Authority[] = [];
  for (const name of readdirSync(options.path).sort()) {
    if (!authorityFile.test(name)) continue;
    const path = join(options.path, name);
    const bytes = readSealedFile(path, largestFileBytes);
    if (!bytes.ok) return bytes;
    const read = await readAuthority(readMaterial(bytes.value), options.trustDomain, options.aliases);
    if (!read.ok) return fail(damagedFile(path, `can't be used: ${read.error}`));
    authorities.push(read.value);
  }
  const signing = readSealedFile(join(options.path, signingFile), largestFileBytes);
  if (!signing.ok && signing.error.reason !== 'absent') return signing;
  if (authorities.length === 0) {
    // A pointer without its authority means a key was lost; a new root would silently cut off every sidecar.
    if (signing.ok) return fail(damagedFile(join(options.path, signingFile), 'names an authority that is not there'));
    const opened = new AuthorityFolder(options, [], undefined);
    const first = await opened.prepare(options.nowMs);
    if (!first.ok) return first;
    const activated = opened.activate(first.value.signerFingerprint);
    return activated.ok ? ok(opened) : activated;
  }
  const wanted = signing.ok ? signing.value.toString('latin1').trim() : authorities[0]!.signerFingerprint;
  const signer = authorities.find((authority) => authority.signerFingerprint === wanted);
  if (signer === undefined) {
    return fail(damagedFile(join(options.path, signingFile), 'names an authority that is not there'));
  }
  return ok(new AuthorityFolder(options, authorities, signer));
}

/** Made by `openAuthorityFolder`. One control plane process owns a folder. */
export class AuthorityFolder {
  readonly #options: AuthorityFolderOptions;
  #authorities: readonly Authority[];
  #signing: Authority | undefined;

  constructor(options: AuthorityFolderOptions, authorities: readonly Authority[], signing: Authority | undefined) {
    this.#options = options;
    this.#authorities = authorities;
    this.#signing = signing;
  }

  /** The one that issues. */
  get signing(): Authority {
    assert(this.#signing !== undefined, 'an opened authority folder has a signing authority');
    return this.#signing;
  }

  get authorities(): readonly Authority[] {
    return this.#authorities;
  }

  /** Every root: what sidecars trust. */
  get bundle(): TrustBundle {
    return this.#authorities.map((authority) => authority.bundle).reduce(uniteBundles);
  }

  /** Makes another root, trusted but not signing yet. */
  async prepare(nowMs: number): Promise<Result<Authority, SealedFileFault>> {
    const { trustDomain, aliases = [], rootLifetimeMs } = this.#options;
    const material = await createAuthority({ trustDomain, aliases, lifetimeMs: rootLifetimeMs, nowMs });
    return this.add(material);
  }

  /** Takes in material the user gives, trusted but not signing yet. */
  async add(material: AuthorityMaterial): Promise<Result<Authority, SealedFileFault>> {
    const { path, trustDomain, aliases } = this.#options;
    const read = await readAuthority(material, trustDomain, aliases);
    if (!read.ok) return fail(damagedFile(path, `can't take in the given authority: ${read.error}`));
    const name = fileName(read.value.signerFingerprint);
    const written = writeSealedFile(join(path, name), `${material.keyPem.trimEnd()}\n${material.certificatePem}`);
    if (!written.ok) return written;
    this.#authorities = [
      ...this.#authorities.filter((known) => known.signerFingerprint !== read.value.signerFingerprint),
      read.value,
    ];
    return read;
  }

  /** From now on this one signs. */
  activate(signerFingerprint: string): Result<true, SealedFileFault> {
    const next = this.#authorities.find((authority) => authority.signerFingerprint === signerFingerprint);
    if (next === undefined) return fail(damagedFile(this.#options.path, `holds no authority ${signerFingerprint}`));
    const written = writeSealedFile(join(this.#options.path, signingFile), `${signerFingerprint}\n`);
    if (written.ok) this.#signing = next;
    return written;
  }

  /** Ends the trust in one that does not sign; what it vouched for ends when the bundle reaches a sidecar. */
  remove(signerFingerprint: string): Result<true, SealedFileFault> {
    if (this.#signing?.signerFingerprint === signerFingerprint) {
      return fail(damagedFile(this.#options.path, 'still signs with this authority; activate another first'));
    }
    const removed = removeSealedFile(this.#options.path, fileName(signerFingerprint));
    if (removed.ok) {
      this.#authorities = this.#authorities.filter((known) => known.signerFingerprint !== signerFingerprint);
    }
    return removed;
  }
}

/** Reads a signing certificate and key the user keeps elsewhere; the key file must be sealed, certificates need not. */
export function readAuthorityFiles(
  keyPath: string,
  certificatePem: string,
): Result<AuthorityMaterial, SealedFileFault> {
  const key = readSealedFile(keyPath, largestFileBytes);
  return key.ok ? ok({ certificatePem, keyPem: key.value.toString('latin1') }) : key;
}

function readMaterial(bytes: Buffer): AuthorityMaterial {
  const text = bytes.toString('latin1');
  const certificatesAt = Math.max(0, text.indexOf('-----BEGIN CERTIFICATE-----'));
  return { keyPem: text.slice(0, certificatesAt), certificatePem: text.slice(certificatesAt) };
}

function fileName(signerFingerprint: string): string {
  return `authority-${signerFingerprint.slice(0, 16)}.pem`;
}
