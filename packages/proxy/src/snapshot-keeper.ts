import type { Buffer } from 'node:buffer';
import type { StateFolder } from '@weft/identity';
import type { Timer, TimerWheel } from '@weft/kernel';
import type { Log } from './log.ts';

/** Changes that come together are written once. */
const DELAY_MS = 500;

/** Stores the last good configuration for the next life. A folder that cannot be written costs that one, not this. */
export class SnapshotKeeper {
  private readonly folder: StateFolder | null;
  private readonly snapshot: () => Promise<Buffer> | undefined;
  private readonly log: Log;
  private readonly timer: Timer;
  private writing: Promise<void>;

  /** Null keeps nothing. */
  constructor(folder: StateFolder | null, snapshot: () => Promise<Buffer> | undefined, log: Log, wheel: TimerWheel) {
    this.folder = folder;
    this.snapshot = snapshot;
    this.log = log;
    this.timer = wheel.create(() => this.write());
    this.writing = Promise.resolve();
  }

  storeSoon(): void {
    if (this.folder !== null && !this.timer.armed) this.timer.reschedule(DELAY_MS);
  }

  /** Writes now what was to be written soon, and waits for what is being written. */
  async flush(): Promise<void> {
    if (this.timer.armed) {
      this.timer.cancel();
      this.write();
    }
    await this.writing;
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
