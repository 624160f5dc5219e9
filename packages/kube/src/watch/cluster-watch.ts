/** All that a mesh reads of a cluster, watched and translated. */
import { type Clock, type Random, type Result, type Timer, type TimerWheel, fail, ok } from '@weft/kernel';
import { kindTable } from '@weft/model';
import type { KubeClient } from '../client/kube-client.ts';
import { ClusterTranslation, type TranslationUpdate } from '../translate/cluster-translation.ts';
import {
  type PodFacts,
  type SliceFacts,
  configObject,
  namespaceObject,
  podFacts,
  serviceObject,
  sliceFacts,
} from '../translate/raw-kinds.ts';
import { type ServedKind, type WantedKind, collectionPath, discover } from './api-discovery.ts';
import { KindWatch, type ObjectName, type RawObject, type WatchedKind } from './kind-watch.ts';

/** Where a watch says what people should know. */
export interface WatchLog {
  info(message: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
  warn(message: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
}

export interface ClusterWatchOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: WatchLog;
  readonly checkRegularExpression?: (pattern: string) => string | undefined;
  /** What changed, in one piece; the first holds all there is. */
  readonly onUpdate: (update: TranslationUpdate) => void;
  /** A slice of endpoints has arrived: how long ago what it tells came about, as its annotation says. */
  readonly onLag?: (lagMs: number) => void;
  readonly silenceMs?: number;
  readonly resyncMs?: number;
  readonly discoveryMs?: number;
  /** How long `start` tries to reach the server. */
  readonly patienceMs?: number;
}

/** A kind that is configured, as this cluster serves it. */
interface ConfiguredKind {
  readonly served: ServedKind;
  readonly watch: KindWatch<RawObject>;
  /** Looks in a row that did not find it. */
  missed: number;
}

/** When the pod or Service changed that a slice tells of. */
const TRIGGER_TIME = 'endpoints.kubernetes.io/last-change-trigger-time';
/** A slice that is written anew for another reason keeps the time of its last trigger. */
const MOST_LAG_MS = 300_000;
const QUIET_MS = 10;
const MAX_DELAY_MS = 50;
const DISCOVERY_MS = 60_000;
const PATIENCE_MS = 30_000;
const RETRY_MS = 1000;

export class ClusterWatch {
  readonly pods: KindWatch<PodFacts>;
  readonly services: KindWatch<RawObject>;
  readonly slices: KindWatch<SliceFacts>;
  readonly namespaces: KindWatch<RawObject>;
  /** Name to uid. */
  readonly accounts: KindWatch<string>;
  private readonly options: ClusterWatchOptions;
  private readonly translation: ClusterTranslation;
  private readonly configured: Map<string, ConfiguredKind>;
  private readonly flushTimer: Timer;
  private readonly discoveryTimer: Timer;
  private firstDirtyMs: number;
  private isReady: boolean;
  private isStopped: boolean;
  private absentSaid: string;
  private becameReady: () => void;

  constructor(options: ClusterWatchOptions) {
    this.options = options;
    const { wheel, checkRegularExpression } = options;
    this.translation = new ClusterTranslation(checkRegularExpression === undefined ? {} : { checkRegularExpression });
    this.configured = new Map();
    this.flushTimer = wheel.create(() => this.flush());
    this.discoveryTimer = wheel.create(() => void this.look());
    this.firstDirtyMs = 0;
    this.isReady = false;
    this.isStopped = false;
    this.absentSaid = '';
    this.becameReady = () => undefined;
    const { translation } = this;
    this.services = this.watchOf({ path: '/api/v1/services', trim: serviceObject }, 'services', (name, raw) =>
      translation.service(name, raw),
    );
    this.slices = this.watchOf(
      {
        path: '/apis/discovery.k8s.io/v1/endpointslices',
        trim: (raw) => {
          this.tellLag(raw);
          return sliceFacts(raw);
        },
      },
      'endpointslices',
      (name, facts) => translation.slice(name, facts),
    );
    this.pods = this.watchOf({ path: '/api/v1/pods', trim: podFacts }, 'pods', (name, facts) =>
      translation.pod(name, facts),
    );
    this.namespaces = this.watchOf(
      { path: '/api/v1/namespaces', metadataOnly: true, trim: namespaceObject },
      'namespaces',
      (name, raw) => translation.configured('Namespace', `/${name}`, raw),
    );
    this.accounts = this.watchOf(
      { path: '/api/v1/serviceaccounts', metadataOnly: true, trim: ({ metadata }) => metadata.uid ?? '' },
      'serviceaccounts',
      () => undefined,
    );
  }

  /** Resolves when all there is was handed over; fails with one line when the server can't be reached for half a minute. */
  async start(): Promise<Result<true, string>> {
    const { clock, client, patienceMs = PATIENCE_MS } = this.options;
    const untilMs = clock.nowMs() + patienceMs;
    for (;;) {
      const looked = await this.look();
      if (looked.ok) break;
      if (this.isStopped || clock.nowMs() >= untilMs || looked.error.status === 401 || looked.error.status === 403) {
        return fail(`${client.access.description} cannot be read: ${looked.error.message}`);
      }
      await this.rest(RETRY_MS);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.becameReady = resolve;
    for (const watch of this.all()) watch.start();
    this.checkReady();
    await promise;
    return ok(true);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.flushTimer.cancel();
    this.discoveryTimer.cancel();
    this.becameReady();
    await Promise.all(Array.from(this.all(), (watch) => watch.stop()));
  }

  /** The kinds that are configured and served here, by kind. */
  served(kind: string): ServedKind | undefined {
    return this.configured.get(kind)?.served;
  }

  /** An object as the server last said it, with its status. */
  object(kind: string, namespace: string, name: string): RawObject | undefined {
    return this.configured.get(kind)?.watch.get(namespace === '' ? name : `${namespace}/${name}`);
  }

  /** How long the server has said nothing of each kind that is followed; it sends a bookmark a minute. */
  *silences(): Generator<{ readonly kind: string; readonly silentMs: number }> {
    const nowMs = this.options.clock.nowMs();
    for (const watch of this.all()) {
      if (watch.synced)
        yield { kind: watch.kind.path.slice(watch.kind.path.lastIndexOf('/') + 1), silentMs: nowMs - watch.heardMs };
    }
  }

  /** Kinds of the standard and of ours that the server does not have. */
  get absent(): readonly string[] {
    return wanted()
      .filter(({ kind }) => !this.configured.has(kind))
      .map(({ kind }) => kind);
  }

  private *all(): Generator<KindWatch<unknown>> {
    yield this.services;
    yield this.slices;
    yield this.pods;
    yield this.namespaces;
    yield this.accounts;
    for (const { watch } of this.configured.values()) yield watch;
  }

  private watchOf<T>(
    kind: WatchedKind<T>,
    label: string,
    changed: (name: ObjectName, value: T | undefined) => void,
  ): KindWatch<T> {
    const { client, clock, wheel, random, silenceMs, resyncMs, log } = this.options;
    const sink = {
      changed: (name: ObjectName, value: T | undefined): void => {
        changed(name, value);
        this.dirty();
      },
      synced: (): void => this.checkReady(),
      troubled: ({ message, code }: { message: string; code: string }): void => {
        log.warn(`${label} are not followed at the moment; what is known stays in force: ${message}`, { code });
      },
    };
    return new KindWatch(client, kind, sink, {
      clock,
      wheel,
      random,
      ...(silenceMs === undefined ? {} : { silenceMs }),
      ...(resyncMs === undefined ? {} : { resyncMs }),
    });
  }

  /** Which kinds there are now; asked again every minute, as their definitions come and go. */
  private async look() {
    const { client, discoveryMs = DISCOVERY_MS } = this.options;
    const found = await discover(client, wanted());
    if (!this.isStopped) this.discoveryTimer.reschedule(discoveryMs);
    if (!found.ok || this.isStopped) return found;
    for (const served of found.value.values()) {
      const known = this.configured.get(served.kind);
      if (known !== undefined && known.served.version === served.version) {
        known.missed = 0;
        continue;
      }
      if (known !== undefined) await known.watch.stop();
      this.add(served);
    }
    for (const [kind, entry] of this.configured) {
      if (found.value.has(`${entry.served.group}/${kind}`)) continue;
      entry.missed += 1;
      if (entry.missed >= 2) await this.drop(kind, entry);
    }
    this.sayAbsent();
    return found;
  }

  private add(served: ServedKind): void {
    const { kind, group, version } = served;
    const watch = this.watchOf(
      { path: collectionPath(served), trim: (raw) => configObject(raw, `${group}/${version}`, kind) },
      served.plural,
      (name, raw) => this.translation.configured(kind, served.namespaced ? name : `/${name}`, raw),
    );
    this.configured.set(kind, { served, watch, missed: 0 });
    if (this.isReady) watch.start();
  }

  private async drop(kind: string, { watch, served }: ConfiguredKind): Promise<void> {
    this.configured.delete(kind);
    await watch.stop();
    for (const [name] of watch.values()) {
      this.translation.configured(kind, served.namespaced ? name : `/${name}`, undefined);
    }
    this.dirty();
  }

  private sayAbsent(): void {
    const absent = this.absent.join(', ');
    if (absent === this.absentSaid) return;
    this.absentSaid = absent;
    if (absent === '') this.options.log.info('all kinds are installed now');
    else this.options.log.warn(`not installed in this cluster, looked for again every minute: ${absent}`);
  }

  private checkReady(): void {
    if (this.isReady || this.isStopped) return;
    for (const watch of this.all()) if (!watch.synced) return;
    this.isReady = true;
    this.flush();
    this.becameReady();
  }

  /** Of news only: what a list holds came about at any time. */
  private tellLag({ metadata }: RawObject): void {
    if (!this.isReady || this.options.onLag === undefined) return;
    const changedAtMs = Date.parse(metadata.annotations?.[TRIGGER_TIME] ?? '');
    const lagMs = this.options.clock.wallMs() - changedAtMs;
    if (lagMs >= 0 && lagMs < MOST_LAG_MS) this.options.onLag(lagMs);
  }

  private dirty(): void {
    if (!this.isReady || this.isStopped) return;
    const nowMs = this.options.clock.nowMs();
    if (!this.flushTimer.armed) this.firstDirtyMs = nowMs;
    this.flushTimer.reschedule(Math.max(0, Math.min(QUIET_MS, this.firstDirtyMs + MAX_DELAY_MS - nowMs)));
  }

  private flush(): void {
    if (this.isStopped) return;
    const update = this.translation.take();
    if (update.changed.length + update.removed.length + update.pods.length > 0) this.options.onUpdate(update);
  }

  private rest(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.options.wheel.schedule(delayMs, resolve);
    return promise;
  }
}

/** Kinds of the model that are configured by objects: all but those of Kubernetes itself. */
export function wanted(): WantedKind[] {
  const kinds: WantedKind[] = [];
  for (const { kind, apiVersions } of kindTable.values()) {
    const group = apiVersions[0]?.includes('/') === true ? apiVersions[0].slice(0, apiVersions[0].indexOf('/')) : '';
    if (group === '') continue;
    kinds.push({ group, kind, versions: apiVersions.map((each) => each.slice(each.indexOf('/') + 1)) });
  }
  return kinds;
}
