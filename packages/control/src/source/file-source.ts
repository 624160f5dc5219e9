/**
 * A folder of YAML and JSON files.
 *
 *   fs.watch ---- event ----> quiet for 20 ms (100 ms at most) --+
 *   every 2 s (0.4 s when nothing can be watched) ---------------+--> scan --> read what differs --> one new set
 *
 * Events only say when to look; what is there is found by looking. So the rename that editors save by, a swapped symbolic
 * link (how Kubernetes updates a mounted ConfigMap) and lost events all come to the same.
 */
import { hash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile, readdir, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Clock, type Result, type Timer, type TimerWheel, fail, ok } from '@weft/kernel';
import { byCodeUnit } from '@weft/model';
import type { Log } from '../log.ts';
import { type ConfigPlace, readPlace, unreadablePlace } from './config-place.ts';
import type { ObjectSource, SourceSink } from './object-source.ts';

export interface FileSourceOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
  /** How often the folder is looked at without an event; 2 s. */
  readonly rescanMs?: number;
  /** How many times a scan read at least one file, and how long that took: for metrics. */
  readonly onScan?: (durationMs: number, filesRead: number) => void;
}

const QUIET_MS = 20;
const MAX_DELAY_MS = 100;
const RESCAN_MS = 2000;
/** Without events the look itself must be soon enough for half a second from an edit to its acknowledgement. */
const UNWATCHED_RESCAN_MS = 300;
/** Time stamps of files move in steps of up to 10 ms: a file written this recently may change without one. */
const UNSETTLED_MS = 100;
const MAX_FILES = 10_000;
const MAX_DEPTH = 16;
/** Above what the reader takes, so that a file of any size is refused without being read. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;
const CONFIG_FILE = /\.(?:yaml|yml|json)$/;

interface KnownFile {
  /** Device, inode, size and times; empty when the file was too young to be known by them. */
  readonly stamp: string;
  /** Of the text, or what is wrong with the file. */
  readonly digest: string;
  readonly place: ConfigPlace;
}

export class FileSource implements ObjectSource {
  readonly description: string;
  private readonly options: FileSourceOptions;
  private readonly quietTimer: Timer;
  private readonly rescanTimer: Timer;
  private known: ReadonlyMap<string, KnownFile>;
  private sink: SourceSink | null;
  private watcher: FSWatcher | null;
  private firstEventMs: number;
  private scanning: Promise<void> | null;
  private scanAgain: boolean;
  private unreadable: string;
  private delivered: boolean;

  constructor(options: FileSourceOptions) {
    this.description = `files in ${options.folder}`;
    this.options = options;
    this.quietTimer = options.wheel.create(() => this.scan());
    this.rescanTimer = options.wheel.create(() => this.scan());
    this.known = new Map();
    this.sink = null;
    this.watcher = null;
    this.firstEventMs = 0;
    this.scanning = null;
    this.scanAgain = false;
    this.unreadable = '';
    this.delivered = false;
  }

  async start(sink: SourceSink): Promise<Result<true, string>> {
    const { folder } = this.options;
    try {
      if (!(await stat(folder)).isDirectory()) return fail(`${folder} is not a folder; give the folder that holds it`);
      await readdir(folder);
    } catch (error) {
      return fail(`the folder ${folder} cannot be read (${codeOf(error)}); check --config`);
    }
    this.sink = sink;
    this.openWatcher();
    this.scan();
    await this.scanning;
    return ok(true);
  }

  async stop(): Promise<void> {
    this.sink = null;
    this.quietTimer.cancel();
    this.rescanTimer.cancel();
    this.closeWatcher();
    await this.scanning;
    this.rescanTimer.cancel();
  }

  private openWatcher(): void {
    try {
      this.watcher = watch(this.options.folder, { recursive: true, persistent: false }, () => this.noticed());
      this.watcher.on('error', (error) => {
        this.options.log.warn('files are no longer watched; they are looked at every 0.3 s', { error: codeOf(error) });
        this.closeWatcher();
      });
    } catch (error) {
      this.options.log.warn('files cannot be watched; they are looked at every 0.3 s', { error: codeOf(error) });
    }
  }

  private closeWatcher(): void {
    this.watcher?.close();
    this.watcher = null;
  }

  private noticed(): void {
    if (this.sink === null) return;
    const nowMs = this.options.clock.nowMs();
    if (!this.quietTimer.armed) this.firstEventMs = nowMs;
    this.quietTimer.reschedule(Math.max(0, Math.min(QUIET_MS, this.firstEventMs + MAX_DELAY_MS - nowMs)));
  }

  /** One scan at a time; what happens during one is looked at by the next. */
  private scan(): void {
    if (this.scanning !== null) {
      this.scanAgain = true;
      return;
    }
    this.scanning = this.scanOnce().finally(() => {
      this.scanning = null;
      if (this.sink === null) return;
      const restMs = this.watcher === null ? UNWATCHED_RESCAN_MS : (this.options.rescanMs ?? RESCAN_MS);
      this.rescanTimer.reschedule(restMs);
      if (!this.scanAgain) return;
      this.scanAgain = false;
      this.scan();
    });
  }

  private async scanOnce(): Promise<void> {
    const startedMs = this.options.clock.nowMs();
    const paths: string[] = [];
    try {
      await this.collect(this.options.folder, 0, new Set(), paths);
      this.unreadable = '';
    } catch (error) {
      // Gone for a moment (a swapped link) or for good: what was read stays in force.
      if (this.unreadable !== codeOf(error)) {
        this.unreadable = codeOf(error);
        this.options.log.warn('the configuration folder cannot be read; the last configuration stays in force', {
          folder: this.options.folder,
          error: this.unreadable,
        });
      }
      return;
    }
    const next = new Map<string, KnownFile>();
    let filesRead = 0;
    for (const path of paths.sort(byCodeUnit)) {
      const before = this.known.get(path);
      const file = await this.readOne(path, before);
      if (file === undefined) continue;
      if (file.place !== before?.place) filesRead += 1;
      next.set(path, file);
    }
    if (this.sink === null) return;
    const isSame = filesRead === 0 && next.size === this.known.size;
    this.known = next;
    if (isSame && this.delivered) return;
    this.delivered = true;
    this.options.onScan?.(this.options.clock.nowMs() - startedMs, filesRead);
    this.sink(Array.from(next.values(), ({ place }) => place));
  }

  private async collect(folder: string, depth: number, seen: Set<string>, paths: string[]): Promise<void> {
    // Links may lead in circles.
    const real = await realpath(folder);
    if (seen.has(real) || depth > MAX_DEPTH) return;
    seen.add(real);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      const path = join(folder, entry.name);
      let isFolder = entry.isDirectory();
      if (entry.isSymbolicLink()) {
        const target = await stat(path).catch(() => undefined);
        if (target === undefined) continue;
        isFolder = target.isDirectory();
      }
      if (isFolder) {
        await this.collect(path, depth + 1, seen, paths).catch((error: unknown) => {
          if (codeOf(error) !== 'ENOENT') throw error;
        });
      } else if (CONFIG_FILE.test(entry.name) && paths.length < MAX_FILES) {
        paths.push(path);
      }
    }
  }

  /** Undefined when the file has gone since it was listed. */
  private async readOne(path: string, before: KnownFile | undefined): Promise<KnownFile | undefined> {
    const name = join(this.options.folder, relative(this.options.folder, path));
    try {
      const found = await stat(path, { bigint: true });
      const isYoung = this.options.clock.wallMs() - Number(found.mtimeMs) < UNSETTLED_MS;
      const stamp = isYoung ? '' : `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`;
      if (before !== undefined && stamp !== '' && stamp === before.stamp) return before;
      if (found.size > MAX_FILE_BYTES) {
        const reason = `${found.size} bytes are more than ${MAX_FILE_BYTES}`;
        return before?.digest === reason ? before : { stamp, digest: reason, place: unreadablePlace(name, reason) };
      }
      const text = await readFile(path, 'utf8');
      const digest = hash('sha256', text);
      if (before !== undefined && before.digest === digest) return { ...before, stamp };
      return { stamp, digest, place: readPlace(name, text) };
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') return undefined;
      return before?.digest === code ? before : { stamp: '', digest: code, place: unreadablePlace(name, code) };
    }
  }
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
