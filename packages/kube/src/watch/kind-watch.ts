/**
 * All objects of one kind, kept as they are:
 *
 *   list (streamed where the server offers it, else in pages) --> watch from there --> events, bookmarks
 *     ^                                                            |
 *     +---- 410, or the resync is due -----------------------------+-- ended, reset, silent: watch again from the last version
 *
 * A set is replaced only by another whole set: while the server is away, or a list breaks off, nothing is removed.
 */
import {
  type Clock,
  type Random,
  type Result,
  type Timer,
  type TimerWheel,
  fail,
  fullJitterBackoffMs,
  ok,
} from '@weft/kernel';
import type { KubeClient, KubeStream } from '../client/kube-client.ts';
import { type KubeFault, isPassing, readFault, unreachable } from '../client/kube-fault.ts';

/** An object as the server writes it, as far as every kind has it. */
export interface RawObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [other: string]: unknown;
  };
  readonly [other: string]: unknown;
}

export interface WatchedKind<T> {
  /** `/api/v1/services`, or `/api/v1/namespaces/weft-system/secrets`. */
  readonly path: string;
  /** `metadata.name=weft-root`; absent: all. */
  readonly fieldSelector?: string;
  /** `weft.dev/counts=true`; absent: all. */
  readonly labelSelector?: string;
  /** The server is to send `metadata` only. */
  readonly metadataOnly?: boolean;
  /** What is kept of an object: small. Undefined leaves it out. */
  readonly trim: (raw: RawObject) => T | undefined;
}

/** `namespace/name`; `name` alone for cluster-scoped kinds. */
export type ObjectName = string;

export interface KindSink<T> {
  /** `value` undefined: it is gone. Never called twice with the same version. */
  changed(name: ObjectName, value: T | undefined): void;
  /** A whole list has been taken in; the first time the set is known. */
  synced(): void;
  /** Why there is no progress at the moment; once per reason. */
  troubled(fault: KubeFault): void;
}

export interface KindWatchOptions {
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  /** Without an event or a bookmark for this long a watch is taken for dead. The server sends a bookmark a minute. */
  readonly silenceMs?: number;
  /** A whole list is asked for at least this often, in case an event was lost. */
  readonly resyncMs?: number;
}

interface Kept<T> {
  readonly version: string;
  readonly value: T;
}

const SILENCE_MS = 90_000;
const RESYNC_MS = 30 * 60_000;
const PAGE = 500;
/** The server ends a watch after this; half of it is drawn, so that a thousand watches don't end at once. */
const WATCH_S = 300;
const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
/** A watch that lived this long was no failure. */
const HEALTHY_MS = 5000;
const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json';

export class KindWatch<T> {
  /** Monotonic milliseconds of the last word of the server. */
  heardMs = 0;
  /** For metrics and tests. */
  lists = 0;
  watches = 0;
  silences = 0;
  readonly kind: WatchedKind<T>;
  private readonly client: KubeClient;
  private readonly sink: KindSink<T>;
  private readonly options: KindWatchOptions;
  private readonly silenceTimer: Timer;
  private objects: Map<ObjectName, Kept<T>>;
  private version: string;
  private listedAtMs: number;
  private failures: number;
  private mayStream: boolean;
  private isSynced: boolean;
  private isStopped: boolean;
  private stream: KubeStream | null;
  private wake: (() => void) | null;
  private restTimer: Timer | null;
  private lastTrouble: string;
  private running: Promise<void> | null;

  constructor(client: KubeClient, kind: WatchedKind<T>, sink: KindSink<T>, options: KindWatchOptions) {
    this.client = client;
    this.kind = kind;
    this.sink = sink;
    this.options = options;
    this.silenceTimer = options.wheel.create(() => this.silent());
    this.objects = new Map();
    this.version = '';
    this.listedAtMs = 0;
    this.failures = 0;
    this.mayStream = true;
    this.isSynced = false;
    this.isStopped = false;
    this.stream = null;
    this.wake = null;
    this.restTimer = null;
    this.lastTrouble = '';
    this.running = null;
  }

  get synced(): boolean {
    return this.isSynced;
  }

  get size(): number {
    return this.objects.size;
  }

  get(name: ObjectName): T | undefined {
    return this.objects.get(name)?.value;
  }

  *values(): Generator<[ObjectName, T]> {
    for (const [name, { value }] of this.objects) yield [name, value];
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Nothing reaches the sink afterwards. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.silenceTimer.cancel();
    this.restTimer?.cancel();
    this.stream?.close();
    this.wake?.();
    await this.running;
  }

  private async run(): Promise<void> {
    const { clock, resyncMs = RESYNC_MS } = this.options;
    while (!this.isStopped) {
      const isDue = this.version === '' || clock.nowMs() - this.listedAtMs > resyncMs;
      const done = isDue ? await this.list() : await this.follow();
      if (this.isStopped) return;
      if (done.ok) {
        this.failures = 0;
        this.lastTrouble = '';
        continue;
      }
      await this.failed(done.error);
    }
  }

  private async failed(fault: KubeFault): Promise<void> {
    // The versions in between are gone from the server: only a list tells what is there now.
    if (fault.code === 'gone') this.version = '';
    else if (this.lastTrouble !== fault.message) {
      this.lastTrouble = fault.message;
      this.sink.troubled(fault);
    }
    const isFirst = this.failures === 0 && (fault.code === 'gone' || isPassing(fault));
    this.failures += 1;
    const drawnMs = fullJitterBackoffMs(this.options.random, this.failures, BACKOFF_BASE_MS, BACKOFF_MAX_MS);
    await this.rest(Math.max(fault.retryAfterMs, isFirst ? 0 : drawnMs));
  }

  private rest(delayMs: number): Promise<void> {
    if (delayMs === 0 || this.isStopped) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.wake = resolve;
    this.restTimer = this.options.wheel.schedule(delayMs, resolve);
    return promise;
  }

  private async list(): Promise<Result<true, KubeFault>> {
    this.lists += 1;
    const startedMs = this.options.clock.nowMs();
    const listed = this.mayStream ? await this.listStreamed() : await this.listPaged();
    if (!listed.ok) {
      if (!this.mayStream || (listed.error.code !== 'invalid' && listed.error.code !== 'forbidden')) return listed;
      this.mayStream = false;
      return this.list();
    }
    this.listedAtMs = startedMs;
    this.heardMs = Math.max(this.heardMs, startedMs);
    return listed;
  }

  /** The list as the first events of a watch: neither side holds it in one piece. The stream is followed on. */
  private async listStreamed(): Promise<Result<true, KubeFault>> {
    const next = new Map<ObjectName, Kept<T>>();
    const query = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
    let isWhole = false;
    const ended = await this.consume(query, (type, object) => {
      if (isWhole) return this.event(type, object);
      if (type === 'BOOKMARK' && object.metadata.annotations?.['k8s.io/initial-events-end'] === 'true') {
        isWhole = true;
        this.replace(next, object.metadata.resourceVersion ?? '');
      } else if (type === 'ADDED' || type === 'MODIFIED') this.keep(next, object);
      else if (type === 'DELETED') next.delete(nameOf(object));
    });
    if (ended.ok && !isWhole) return fail(unreachable(new Error('a list broke off')));
    return isWhole && !ended.ok && ended.error.code !== 'gone' ? ok(true) : ended;
  }

  private async listPaged(): Promise<Result<true, KubeFault>> {
    const next = new Map<ObjectName, Kept<T>>();
    let from = '';
    let version = '';
    do {
      const page = from === '' ? '' : `&continue=${encodeURIComponent(from)}`;
      const got = await this.client.get(this.path(`limit=${PAGE}${page}`), this.accept());
      if (!got.ok) return got;
      const { metadata, items } = got.value as {
        metadata?: { resourceVersion?: string; continue?: string };
        items?: RawObject[];
      };
      for (const item of items ?? []) this.keep(next, item);
      from = metadata?.continue ?? '';
      version = metadata?.resourceVersion ?? '';
    } while (from !== '' && !this.isStopped);
    if (version === '') return fail(readFault(200, { message: 'the list has no resourceVersion' }, ''));
    if (!this.isStopped) this.replace(next, version);
    return ok(true);
  }

  private async follow(): Promise<Result<true, KubeFault>> {
    const startedMs = this.options.clock.nowMs();
    const ended = await this.consume(`resourceVersion=${encodeURIComponent(this.version)}`, (type, object) =>
      this.event(type, object),
    );
    if (ended.ok || ended.error.code === 'gone') return ended;
    return this.options.clock.nowMs() - startedMs > HEALTHY_MS ? ok(true) : ended;
  }

  /** Reads one watch until it ends. `ok` when the server ended it in order. */
  private async consume(
    query: string,
    take: (type: string, object: RawObject) => void,
  ): Promise<Result<true, KubeFault>> {
    const { clock, random, silenceMs = SILENCE_MS } = this.options;
    this.watches += 1;
    const timeout = Math.round(WATCH_S * (0.5 + random() / 2));
    const startedMs = clock.nowMs();
    const opened = await this.client.watch(
      this.path(`watch=true&allowWatchBookmarks=true&timeoutSeconds=${timeout}&${query}`),
      this.accept(),
    );
    if (!opened.ok) return opened;
    // Stopped while it was opened: nobody else would close it, and a quiet server would never end it.
    if (this.isStopped) {
      opened.value.close();
      return ok(true);
    }
    this.stream = opened.value;
    let events = 0;
    this.silenceTimer.reschedule(silenceMs);
    try {
      for await (const raw of opened.value.events) {
        if (this.isStopped) break;
        const { type, object } = raw as { type?: string; object?: RawObject };
        if (type === 'ERROR') return fail(readFault(errorCodeOf(object), object, ''));
        if (type === undefined || object?.metadata === undefined) continue;
        events += 1;
        this.heardMs = clock.nowMs();
        this.silenceTimer.reschedule(silenceMs);
        take(type, object);
      }
    } catch (error) {
      return fail(unreachable(error));
    } finally {
      this.silenceTimer.cancel();
      this.stream = null;
      opened.value.close();
    }
    // A server that ends every watch at once is not to be asked again at once.
    const isShort = events === 0 && clock.nowMs() - startedMs < HEALTHY_MS;
    return isShort && !this.isStopped ? fail(unreachable(new Error('a watch ended at once'))) : ok(true);
  }

  private silent(): void {
    this.silences += 1;
    // What is dead is the connection, which all watches share.
    this.client.reset();
    this.stream?.close();
  }

  private event(type: string, object: RawObject): void {
    const version = object.metadata.resourceVersion ?? '';
    if (version !== '') this.version = version;
    if (type === 'BOOKMARK') return;
    const name = nameOf(object);
    const before = this.objects.get(name);
    if (type === 'DELETED') {
      if (this.objects.delete(name)) this.sink.changed(name, undefined);
      return;
    }
    if (before?.version === version && version !== '') return;
    const value = this.kind.trim(object);
    if (value === undefined) {
      if (this.objects.delete(name)) this.sink.changed(name, undefined);
      return;
    }
    this.objects.set(name, { version, value });
    this.sink.changed(name, value);
  }

  private keep(into: Map<ObjectName, Kept<T>>, object: RawObject): void {
    const name = nameOf(object);
    const version = object.metadata.resourceVersion ?? '';
    const known = this.objects.get(name);
    if (known !== undefined && known.version === version && version !== '') {
      into.set(name, known);
      return;
    }
    const value = this.kind.trim(object);
    if (value !== undefined) into.set(name, { version, value });
  }

  private replace(next: Map<ObjectName, Kept<T>>, version: string): void {
    const before = this.objects;
    this.objects = next;
    this.version = version;
    for (const name of before.keys()) if (!next.has(name)) this.sink.changed(name, undefined);
    for (const [name, kept] of next) if (before.get(name) !== kept) this.sink.changed(name, kept.value);
    this.isSynced = true;
    this.sink.synced();
  }

  private path(query: string): string {
    const { path, fieldSelector, labelSelector } = this.kind;
    const fields = fieldSelector === undefined ? '' : `&fieldSelector=${encodeURIComponent(fieldSelector)}`;
    const labels = labelSelector === undefined ? '' : `&labelSelector=${encodeURIComponent(labelSelector)}`;
    return `${path}?${query}${fields}${labels}`;
  }

  private accept(): string | undefined {
    return this.kind.metadataOnly === true ? METADATA_ONLY : undefined;
  }
}

export function nameOf({ metadata: { namespace, name } }: RawObject): ObjectName {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

function errorCodeOf(object: RawObject | undefined): number {
  const code = object?.['code'];
  return typeof code === 'number' ? code : 500;
}
