/**
 * The authorities of a mesh in a Secret, which all replicas share; the folder of each is a copy of it:
 *
 *   Secret there      --> copied into the folder
 *   none              --> a root is made in the folder and the Secret created; whoever comes second copies the first one's
 *   Secret is deleted --> whoever leads makes it again from its folder
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openSealedFolder, readSealedFile, writeSealedFile } from '@weft/identity';
import { type Result, fail, ok } from '@weft/kernel';
import type { SecretStore } from '@weft/kube';

const FILE = /^(?:signing|authority-[0-9a-f]{16}\.pem)$/;
const LARGEST = 256 * 1024;

/** What the folder was made equal to. */
export interface SharedRoot {
  readonly version: string;
  /** This replica made the Secret. */
  readonly isMaker: boolean;
}

/**
 * Makes folder and Secret equal; `make` opens the folder, which makes a root in an empty one. The fault is one line for a
 * person. Two replicas that begin at once end with the same root.
 */
export async function shareRoot(
  store: SecretStore,
  folder: string,
  make: () => Promise<Result<unknown, string>>,
): Promise<Result<SharedRoot, string>> {
  const found = await store.read();
  if (!found.ok) return fail(faultOf(store, found.error.message));
  if (found.value !== undefined && found.value.files.size > 0) {
    const copied = copyToFolder(folder, found.value.files);
    return copied.ok ? ok({ version: found.value.version, isMaker: false }) : copied;
  }
  const made = await make();
  if (!made.ok) return made;
  const files = readFolder(folder);
  if (!files.ok) return files;
  const created =
    found.value === undefined ? await store.create(files.value) : await store.replace(files.value, found.value.version);
  if (created.ok) return ok({ version: created.value.version, isMaker: true });
  if (created.error.code !== 'conflict') return fail(faultOf(store, created.error.message));
  return shareRoot(store, folder, make);
}

/** Writes what the folder holds now into the Secret; `conflict` in the fault says that another was faster. */
export async function publishRoot(store: SecretStore, folder: string): Promise<Result<string, string>> {
  const files = readFolder(folder);
  if (!files.ok) return files;
  const found = await store.read();
  if (!found.ok) return fail(faultOf(store, found.error.message));
  const written =
    found.value === undefined ? await store.create(files.value) : await store.replace(files.value, found.value.version);
  return written.ok ? ok(written.value.version) : fail(faultOf(store, written.error.message));
}

/** Whether the folder holds just these files. */
export function isFolder(folder: string, files: ReadonlyMap<string, Uint8Array>): boolean {
  const own = readFolder(folder);
  if (!own.ok || own.value.size !== files.size) return false;
  for (const [name, bytes] of own.value) if (!bytes.equals(files.get(name) ?? Buffer.alloc(0))) return false;
  return true;
}

/** Replaces what the folder holds. */
export function copyToFolder(folder: string, files: ReadonlyMap<string, Uint8Array>): Result<true, string> {
  if (!files.has('signing')) return fail('the Secret of the root names no signing authority; restore it from a backup');
  mkdirSync(join(folder, '..'), { recursive: true, mode: 0o700 });
  const opened = openSealedFolder(folder);
  if (!opened.ok) return fail(opened.error.message);
  for (const [name, bytes] of files) {
    if (!FILE.test(name)) continue;
    const written = writeSealedFile(join(folder, name), bytes);
    if (!written.ok) return fail(written.error.message);
  }
  for (const name of readdirSync(folder)) if (FILE.test(name) && !files.has(name)) rmSync(join(folder, name));
  return ok(true);
}

function readFolder(folder: string): Result<Map<string, Buffer>, string> {
  const files = new Map<string, Buffer>();
  for (const name of readdirSync(folder)) {
    if (!FILE.test(name)) continue;
    const read = readSealedFile(join(folder, name), LARGEST);
    if (!read.ok) return fail(read.error.message);
    files.set(name, read.value);
  }
  return ok(files);
}

function faultOf(store: SecretStore, message: string): string {
  return `the Secret ${store.namespace}/${store.name} of the root: ${message}`;
}
