import type { Buffer } from 'node:buffer';
import type { StateFolder } from '@weft/identity';
import type { Timer, TimerWheel } from '@weft/kernel';
import type { Log } from './log.ts';

/** Changes that come together are written once: when none has come for so long … */
const QUIET_MS = 500;
/** … and at the latest so long after the first of them. */
const LATEST_MS = 5_000;

/** Stores the last good configuration for the next life. A folder that cannot be written costs that one, not this. */
export class SnapshotKeeper {
  private readonly folder: StateFolder | null;
  private readonly snapshot: () => Promise<readonly Buffer[]> | undefined;
  private readonly log: Log;
  private readonly timer: Timer;
  private writing: Promise<void>;
  /** Left of `LATEST_MS` since the first change that is not written; in steps of `QUIET_MS`. */
  private patience: number;
  private changed: boolean;

  /** Null keeps nothing. */
  constructor(
    folder: StateFolder | null,
    snapshot: () => Promise<readonly Buffer[]> | undefined,
    log: Log,
    wheel: TimerWheel,
  ) {
    this.folder = folder;
    this.snapshot = snapshot;
    this.log = log;
    this.timer = wheel.create(() => this.settle());
    this.writing = Promise.resolve();
    this.patience = 0;
    this.changed = false;
  }

  storeSoon(): void {
    if (this.folder === null) return;
    this.changed = true;
    if (this.timer.armed) return;
    this.patience = LATEST_MS / QUIET_MS;
    this.timer.reschedule(QUIET_MS);
  }

  /** Writes now what was to be written soon, and waits for what is being written. */
  async flush(): Promise<void> {
    if (this.timer.armed) {
      this.timer.cancel();
      this.write();
    }
    await this.writing;
  }

  /** Looked at every `QUIET_MS`, so that a change costs no timer. */
  private settle(): void {
    this.patience -= 1;
    if (!this.changed || this.patience <= 0) {
      this.write();
      return;
    }
    this.changed = false;
    this.timer.reschedule(QUIET_MS);
  }

  /** One behind the other: an older snapshot must not be the last to be stored. */
  private write(): void {
    this.writing = this.writing.then(() => this.writeOne());
  }

  private async writeOne(): Promise<void> {
    const snapshot = await this.snapshot();
    if (this.folder === null || snapshot === undefined) return;
    const written = await this.folder.writeSnapshot(snapshot);
    if (!written.ok) this.log.warn(`configuration not stored: ${written.error.message}; serving goes on`);
  }
}
