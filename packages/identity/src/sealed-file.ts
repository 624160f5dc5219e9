/**
 * Files that hold keys: folder 0700, file 0600, owned by this process's user, written whole or not at all. Whatever
 * goes wrong comes back as a value with a sentence a person can act on; nothing here throws for the disk's sake.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { open as openLater, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';

export interface SealedFileFault {
  readonly reason: 'absent' | 'mode' | 'owner' | 'not-a-file' | 'damaged' | 'too-large' | 'disk';
  readonly path: string;
  /** What was found and what to do. */
  readonly message: string;
}

/** Makes the folder (0700, parents too) or checks one that stands. */
export function openSealedFolder(path: string): Result<string, SealedFileFault> {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const found = lstatSync(path);
    if (!found.isDirectory()) return refuse('not-a-file', path, 'is not a folder (nor may it be a link)');
    return checked(path, found.uid, found.mode, 0o700, path);
  } catch (error) {
    return diskFault(path, error);
  }
}

/** Reads a file after checking what it is. `absent` is the ordinary answer for one that was never written. */
export function readSealedFile(path: string, largestBytes: number): Result<Buffer, SealedFileFault> {
  let file: number | undefined;
  try {
    // Opened first and judged by its descriptor, so that it can't be exchanged in between; links are not followed.
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const found = fstatSync(file);
    if (!found.isFile()) return refuse('not-a-file', path, 'is not an ordinary file');
    const fit = checked(path, found.uid, found.mode, 0o600, path);
    if (!fit.ok) return fit;
    if (found.size > largestBytes) {
      return refuse('too-large', path, `has ${found.size} bytes, more than the ${largestBytes} expected`);
    }
    return ok(readFileSync(file));
  } catch (error) {
    return diskFault(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * Writes a file so that readers and a crash see the old one or the new one: into a neighbour, to the disk, renamed,
 * and the rename to the disk too.
 */
export function writeSealedFile(path: string, content: Uint8Array | string): Result<true, SealedFileFault> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  // The process id keeps two processes on one folder from sharing a half-written neighbour.
  const fresh = `${path}.${process.pid}.new`;
  let file: number | undefined;
  try {
    removeIfThere(fresh);
    file = openSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    let written = 0;
    while (written < bytes.length) written += writeSync(file, bytes, written);
    fsyncSync(file);
    closeSync(file);
    file = undefined;
    // The umask can only have taken bits away; asked for again so that the owner can read it.
    chmodSync(fresh, 0o600);
    renameSync(fresh, path);
    syncFolder(dirname(path));
    return ok(true);
  } catch (error) {
    if (file !== undefined) closeSync(file);
    try {
      removeIfThere(fresh);
    } catch {
      // The disk that refused the write refuses this too; the first error says why.
    }
    return diskFault(path, error);
  }
}

/**
 * As `writeSealedFile`, off the event loop: for contents of megabytes, whose way to the disk would stall traffic. The
 * parts are asked for one by one, each after the one before is written. It never rejects. The caller starts no second
 * write of the same path before the first has settled.
 */
export async function writeSealedParts(
  path: string,
  parts: Iterable<Uint8Array>,
): Promise<Result<true, SealedFileFault>> {
  const fresh = `${path}.${process.pid}.later`;
  try {
    await rm(fresh, { force: true });
    const file = await openLater(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      for (const part of parts) await file.writeFile(part);
      await file.chmod(0o600);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, path);
    const folder = await openLater(dirname(path), constants.O_RDONLY);
    await folder.sync().finally(() => folder.close());
    return ok(true);
  } catch (error) {
    // The disk that refused the write may refuse this too; the first error says why.
    await rm(fresh, { force: true }).catch(() => undefined);
    return diskFault(path, error);
  }
}

/** Removes a file; one that is not there counts as removed. */
export function removeSealedFile(folder: string, name: string): Result<true, SealedFileFault> {
  const path = join(folder, name);
  try {
    removeIfThere(path);
    syncFolder(folder);
    return ok(true);
  } catch (error) {
    return diskFault(path, error);
  }
}

/** A fault found by the reader of the content. */
export function damagedFile(path: string, found: string): SealedFileFault {
  return { reason: 'damaged', path, message: `${path} ${found}` };
}

function checked(
  path: string,
  uid: number,
  mode: number,
  wanted: number,
  value: string,
): Result<string, SealedFileFault> {
  const own = process.getuid?.();
  if (own !== undefined && uid !== own) {
    return refuse('owner', path, `belongs to user ${uid}, not to ${own}; run: chown ${own} ${path}`);
  }
  // Windows has no such modes; there the folder's own access list decides.
  if (own !== undefined && (mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    const want = wanted.toString(8).padStart(4, '0');
    return refuse('mode', path, `may be read or written by others (mode ${octal}); run: chmod ${want} ${path}`);
  }
  return ok(value);
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function refuse(reason: SealedFileFault['reason'], path: string, found: string): Result<never, SealedFileFault> {
  return fail({ reason, path, message: `${path} ${found}` });
}

function diskFault(path: string, error: unknown): Result<never, SealedFileFault> {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return refuse('absent', path, 'is not there');
  if (code === 'ELOOP') return refuse('not-a-file', path, 'is a link; put the file itself there');
  return refuse('disk', path, `could not be used: ${code ?? message}`);
}
