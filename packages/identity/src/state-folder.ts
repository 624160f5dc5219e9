/**
 * What a workload keeps between two lives: key and leaf, roots, and the last good snapshot. With it a restarted sidecar
 * serves without a control plane; without it (disk full, read-only) it serves too, and says so.
 *
 * Each part is one file, written atomically. Key and leaf share one, so that no crash can part them. Snapshot and roots
 * carry a digest: a torn or flipped file is reported as damaged and never half believed.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import {
  damagedFile,
  openSealedFolder,
  readSealedFile,
  removeSealedFile,
  writeSealedFile,
  writeSealedParts,
} from './sealed-file.ts';
import type { SealedFileFault } from './sealed-file.ts';
import { readTrustBundle, toCaPem } from './trust-bundle.ts';
import type { TrustBundle } from './trust-bundle.ts';
import { readWorkloadSvid } from './workload-svid.ts';
import type { WorkloadSvid } from './workload-svid.ts';

export interface StoredState {
  readonly svid: WorkloadSvid | undefined;
  readonly bundle: TrustBundle | undefined;
  /** What was given to `writeSnapshot`, in one; opaque here. */
  readonly snapshot: Buffer | undefined;
  /** What was there but could not be used, to be logged. A file never written is no fault. */
  readonly faults: readonly SealedFileFault[];
}

const svidFile = 'svid.pem';
const bundleFile = 'bundle';
const snapshotFile = 'snapshot';
const largestPemBytes = 1 << 20;
// 10,000 routes and 100,000 endpoints are some 30 MiB of snapshot.
const largestSnapshotBytes = 256 << 20;
const digestBytes = 32;
// Names what follows, so that a file of a later format is told from a damaged one.
const mark = Buffer.from('weft1\n');

/** Opens, or makes, the state folder of one workload. */
export function openStateFolder(path: string): Result<StateFolder, SealedFileFault> {
  const folder = openSealedFolder(path);
  return folder.ok ? ok(new StateFolder(path)) : folder;
}

/** Made by `openStateFolder`. Calls are synchronous, being small and rare, but for the snapshot. */
export class StateFolder {
  readonly path: string;
  #lastWrite: Promise<unknown>;
  #newestSnapshot: readonly Buffer[] | undefined;

  constructor(path: string) {
    this.path = path;
    this.#lastWrite = Promise.resolve();
    this.#newestSnapshot = undefined;
  }

  /** Reads everything there is. Damage costs the part it is in, nothing more. */
  read(): StoredState {
    const faults: SealedFileFault[] = [];
    const keep = <T>(result: Result<T, SealedFileFault>): T | undefined => {
      if (result.ok) return result.value;
      if (result.error.reason !== 'absent') faults.push(result.error);
      return undefined;
    };
    return {
      svid: keep(this.#readSvid()),
      bundle: keep(this.#readBundle()),
      snapshot: keep(this.#readDigested(snapshotFile, largestSnapshotBytes)),
      faults,
    };
  }

  writeSvid(svid: WorkloadSvid): Result<true, SealedFileFault> {
    return writeSealedFile(join(this.path, svidFile), `${svid.keyPem.trimEnd()}\n${svid.certificatesPem}`);
  }

  writeBundle(bundle: TrustBundle): Result<true, SealedFileFault> {
    const head = [bundle.trustDomain, ...bundle.aliases].join(' ');
    return this.#writeDigested(bundleFile, Buffer.from(`${head}\n${toCaPem(bundle)}`));
  }

  /**
   * Writes the last good snapshot, given in parts that follow one another, off the event loop; they must stay unchanged.
   * Writes follow one another; one that a newer snapshot has overtaken before it began is skipped and counts as done. Never
   * rejects.
   */
  writeSnapshot(snapshot: readonly Buffer[]): Promise<Result<true, SealedFileFault>> {
    this.#newestSnapshot = snapshot;
    const written = this.#lastWrite.then(() => {
      if (this.#newestSnapshot !== snapshot) return ok<true>(true);
      return writeSealedParts(join(this.path, snapshotFile), digestedParts(snapshot));
    });
    this.#lastWrite = written;
    return written;
  }

  /** Forgets everything: the workload was unregistered, or its stored identity is another's. */
  clear(): Result<true, SealedFileFault> {
    for (const name of [svidFile, bundleFile, snapshotFile]) {
      const removed = removeSealedFile(this.path, name);
      if (!removed.ok) return removed;
    }
    return ok(true);
  }

  #readSvid(): Result<WorkloadSvid, SealedFileFault> {
    const path = join(this.path, svidFile);
    const bytes = readSealedFile(path, largestPemBytes);
    if (!bytes.ok) return bytes;
    const text = bytes.value.toString('latin1');
    const certificatesAt = text.indexOf('-----BEGIN CERTIFICATE-----');
    if (certificatesAt < 0) return fail(damagedFile(path, 'holds no certificate'));
    const svid = readWorkloadSvid(text.slice(0, certificatesAt), text.slice(certificatesAt));
    return svid.ok ? svid : fail(damagedFile(path, `can't be used: ${svid.error}`));
  }

  #readBundle(): Result<TrustBundle, SealedFileFault> {
    const bytes = this.#readDigested(bundleFile, largestPemBytes);
    if (!bytes.ok) return bytes;
    const text = bytes.value.toString('latin1');
    const lineEnd = text.indexOf('\n');
    const [trustDomain = '', ...aliases] = text.slice(0, lineEnd).split(' ');
    const bundle = readTrustBundle(text.slice(lineEnd + 1), trustDomain, aliases);
    return bundle.ok ? bundle : fail(damagedFile(join(this.path, bundleFile), `can't be used: ${bundle.error}`));
  }

  #readDigested(name: string, largestBytes: number): Result<Buffer, SealedFileFault> {
    const path = join(this.path, name);
    const bytes = readSealedFile(path, largestBytes + mark.length + digestBytes);
    if (!bytes.ok) return bytes;
    const all = bytes.value;
    if (!all.subarray(0, mark.length).equals(mark)) return fail(damagedFile(path, 'is not of this format'));
    const content = all.subarray(mark.length, Math.max(mark.length, all.length - digestBytes));
    const digest = createHash('sha256').update(content).digest();
    if (!digest.equals(all.subarray(mark.length + content.length))) {
      return fail(damagedFile(path, 'does not match its digest: it was cut short or changed'));
    }
    return ok(content);
  }

  #writeDigested(name: string, content: Buffer): Result<true, SealedFileFault> {
    return writeSealedFile(join(this.path, name), Buffer.concat([...digestedParts([content])]));
  }
}

/**
 * The mark, the content in parts, and the digest of the content at the end. A part of 256 KiB is hashed in 0.3 ms: whoever
 * writes them one by one never holds the event loop for longer than that.
 */
function* digestedParts(content: readonly Buffer[]): Generator<Uint8Array> {
  const hash = createHash('sha256');
  yield mark;
  for (const piece of content) {
    for (let at = 0; at < piece.length; at += partBytes) {
      const part = piece.subarray(at, at + partBytes);
      hash.update(part);
      yield part;
    }
  }
  yield hash.digest();
}

const partBytes = 256 << 10;
