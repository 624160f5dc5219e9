import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { readSealedFile, writeSealedFile } from '@weft/identity';
import { type Result, fail, ok } from '@weft/kernel';

const FILE = 'dashboard-token';
const BYTES = 24;

/** What lets a browser in: kept in the state folder (mode 0600), so that open pages outlive a restart. */
export class DashboardToken {
  readonly text: string;
  private readonly digest: Buffer;

  private constructor(text: string) {
    this.text = text;
    this.digest = sha256(text);
  }

  /** Reads it, or makes it. Who removes the file and restarts shuts everybody out. */
  static open(stateFolder: string): Result<DashboardToken, string> {
    const path = join(stateFolder, FILE);
    const held = readSealedFile(path, 256);
    if (held.ok) {
      const text = held.value.toString('latin1').trim();
      if (/^[\w-]{32}$/.test(text)) return ok(new DashboardToken(text));
      return fail(`${path} does not hold a token; remove it`);
    }
    if (held.error.reason !== 'absent') return fail(held.error.message);
    const text = randomBytes(BYTES).toString('base64url');
    const written = writeSealedFile(path, `${text}\n`);
    return written.ok ? ok(new DashboardToken(text)) : fail(written.error.message);
  }

  /** `given` is the field `Authorization`. Takes the same time for every wrong one. */
  admits(given: string | undefined): boolean {
    const text = /^Bearer ([\w-]{1,128})$/i.exec(given ?? '')?.[1] ?? '';
    return timingSafeEqual(sha256(text), this.digest);
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
