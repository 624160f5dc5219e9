import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { readSealedFile, writeSealedFile } from '@weft/identity';
import { type Clock, type Result, fail, ok } from '@weft/kernel';

const FILE = 'dashboard-token';
const BYTES = 24;
/** A page that somebody reached through the cluster is good for a working day. */
const GRANT_MS = 8 * 3_600_000;
const MOST_GRANTS = 256;

/** What the bearer of a token may see: everything, everything but single requests, or nothing. */
export type DashboardSight = 'all' | 'calm' | 'none';

interface Grant {
  readonly sight: DashboardSight;
  readonly untilMs: number;
}

/** What lets a browser in: kept in the state folder (mode 0600), so that open pages outlive a restart. */
export class DashboardToken {
  readonly text: string;
  private readonly digest: Buffer;
  private readonly clock: Clock;
  /** By digest, the oldest first. They end with the process. */
  private readonly grants: Map<string, Grant>;

  private constructor(text: string, clock: Clock) {
    this.text = text;
    this.digest = sha256(text);
    this.clock = clock;
    this.grants = new Map();
  }

  /** Reads it, or makes it. Who removes the file and restarts shuts everybody out. */
  static open(stateFolder: string, clock: Clock): Result<DashboardToken, string> {
    const path = join(stateFolder, FILE);
    const held = readSealedFile(path, 256);
    if (held.ok) {
      const text = held.value.toString('latin1').trim();
      if (/^[\w-]{32}$/.test(text)) return ok(new DashboardToken(text, clock));
      return fail(`${path} does not hold a token; remove it`);
    }
    if (held.error.reason !== 'absent') return fail(held.error.message);
    const text = randomBytes(BYTES).toString('base64url');
    const written = writeSealedFile(path, `${text}\n`);
    return written.ok ? ok(new DashboardToken(text, clock)) : fail(written.error.message);
  }

  /** Another token, for one person. */
  grant(sight: DashboardSight): string {
    for (const oldest of this.grants.keys()) {
      if (this.grants.size < MOST_GRANTS) break;
      this.grants.delete(oldest);
    }
    const text = randomBytes(BYTES).toString('base64url');
    this.grants.set(sha256(text).toString('base64'), { sight, untilMs: this.clock.nowMs() + GRANT_MS });
    return text;
  }

  /** `given` is the field `Authorization`. Takes the same time for every wrong one. */
  sightOf(given: string | undefined): DashboardSight {
    const text = /^Bearer ([\w-]{1,128})$/i.exec(given ?? '')?.[1] ?? '';
    const digest = sha256(text);
    if (timingSafeEqual(digest, this.digest)) return 'all';
    const grant = this.grants.get(digest.toString('base64'));
    return grant !== undefined && grant.untilMs > this.clock.nowMs() ? grant.sight : 'none';
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
