import { createHash } from 'node:crypto';
import type { Clock, Result } from '@weft/kernel';
import type { CallFault } from '@weft/wire';
import type { DashboardDocument } from './dashboard-documents.ts';

/** A document as it is sent. */
export interface WrittenDocument {
  readonly json: string;
  /** Entity tag of its content. */
  readonly tag: string;
}

interface Kept {
  readonly atMs: number;
  readonly written: Promise<Result<WrittenDocument, CallFault>>;
}

/** All who look within this time see the same reading: a hundred open pages cost what one does. */
const FRESH_MS = 1_000;
const MOST_KEPT = 256;

/** Reads and writes documents, each at most once a second however many ask for it. */
export class DocumentCache {
  private readonly clock: Clock;
  private readonly kept: Map<string, Kept>;

  constructor(clock: Clock) {
    this.clock = clock;
    this.kept = new Map();
  }

  /** `address` tells documents apart. */
  read(address: string, document: DashboardDocument): Promise<Result<WrittenDocument, CallFault>> {
    const nowMs = this.clock.nowMs();
    const known = this.kept.get(address);
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return known.written;
    for (const [other, { atMs }] of this.kept) {
      if (nowMs - atMs < FRESH_MS && this.kept.size < MOST_KEPT) break;
      this.kept.delete(other);
    }
    // A question to all sidecars is asked anew each time; its answer is kept for nobody.
    const written = write(document);
    this.kept.delete(address);
    if (document.refreshMs > 0) this.kept.set(address, { atMs: nowMs, written });
    return written;
  }
}

async function write(document: DashboardDocument): Promise<Result<WrittenDocument, CallFault>> {
  const read = await document.read();
  if (!read.ok) return read;
  const json = JSON.stringify(read.value);
  const digest = createHash('sha256').update(json).digest('base64url');
  return { ok: true, value: { json, tag: `"${digest.slice(0, 22)}"` } };
}
