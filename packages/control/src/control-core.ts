/** What a control plane consists of before anything listens: from configuration to what proxies are to be told. */
import type { PeerIdentity } from '@weft/identity';
import type { ControlServer } from '@weft/wire';
import { ChangeFeed } from './change-feed.ts';
import type { ClosingOrder } from './closing-order.ts';
import { ClusterRoom } from './cluster/cluster-room.ts';
import { ConfigStore } from './config-store.ts';
import { type ControlGauges, ControlMetrics } from './control-metrics.ts';
import { type ControlOptions, ControlStartError } from './control-options.ts';
import { EventLog } from './event-log.ts';
import type { PodSource } from './expected-instance.ts';
import { InstanceBook } from './instance-book.ts';
import { countObjects, countProblems } from './object-counts.ts';
import { ObservationRoom } from './observation/observation-room.ts';
import type { PeerRoom } from './peers/peer-room.ts';
import { ProxyRegistry } from './proxy-registry.ts';
import { PushProgress } from './push-progress.ts';
import { ResourceIndex } from './resource-index.ts';
import { FileSource } from './source/file-source.ts';
import type { ObjectSource } from './source/object-source.ts';
import { StreamTotals } from './stream-totals.ts';
import { ControlSignals, type WatchSilences } from './telemetry/control-signals.ts';
import { WorkloadMemory } from './workload-memory.ts';

export interface ControlCore {
  readonly index: ResourceIndex;
  readonly store: ConfigStore;
  readonly events: EventLog;
  readonly totals: StreamTotals;
  readonly metrics: ControlMetrics;
  /** Null where none are sent. */
  readonly signals: ControlSignals | null;
  readonly feed: ChangeFeed;
  readonly memory: WorkloadMemory;
  /** Of the cluster; none outside of one. */
  readonly pods: PodSource;
  readonly book: InstanceBook;
  readonly registry: ProxyRegistry;
  readonly observation: ObservationRoom;
  /** Null outside of a cluster. */
  readonly room: ClusterRoom | null;
  readonly source: ObjectSource;
  readonly late: LateParts;
}

/** What the core looks at and is made after it, by whoever puts the control plane together. */
export interface LateParts {
  server: ControlServer<PeerIdentity> | null;
  /** Stays null where there are no replicas. */
  peers: PeerRoom | null;
}

/** Makes all of it, and adds what is to be closed. Reads nothing yet. */
export async function makeCore(options: ControlOptions, version: string, closers: ClosingOrder): Promise<ControlCore> {
  const { name, clock, wheel, log, onPush } = options;
  const late: LateParts = { server: null, peers: null };
  const index = new ResourceIndex();
  const store = new ConfigStore();
  const events = new EventLog(name, clock, log);
  const totals = new StreamTotals(() => late.server?.hub.sessions ?? []);
  const gauges: ControlGauges = {
    sessions: () => late.server?.hub.sessions.size ?? 0,
    transactions: () => totals.transactions,
    acknowledgements: () => totals.acknowledgements,
    encodedResources: () => index.encodedTotal,
    openPushes: () => progress.openCount,
    dirtyResources: () => totals.dirtyResources,
    workloads: () => registry.size,
    objects: () => countObjects(store),
    problems: () => countProblems(store),
  };
  const metrics = new ControlMetrics(gauges);
  const signals = await openSignals(options, version, gauges, () => room?.silences() ?? [], closers);
  const progress = new PushProgress(clock, wheel, ({ session }, key, reason) => registry.refused(session, key, reason));
  closers.add(() => progress.stop());
  const feed = new ChangeFeed(index, progress, wheel, {
    changed: (resources) => {
      metrics.changed(resources);
      return signals?.pushing(resources) ?? null;
    },
    pushed: (result, span) => {
      metrics.pushed(result);
      if (span !== null) signals?.pushed(result, span);
      onPush?.(result);
    },
  });
  closers.add(() => feed.stop());
  const memory = new WorkloadMemory(options.stateFolder, wheel, log);
  closers.add(() => memory.stop());
  // The room of a cluster is made below; nothing is asked of its pods before.
  const pods: PodSource = {
    get: (workload) => room?.source.cluster.pods.get(workload),
    keys: () => Array.from(room?.source.cluster.pods.values() ?? [], ([key]) => key),
  };
  const book = new InstanceBook({ feed, memory, wheel, ...(options.cluster === undefined ? {} : { pods }) });
  closers.add(() => book.stop());
  const registry = new ProxyRegistry({
    feed,
    book,
    tellLeaving: (instance, withinMs) =>
      late.peers?.tellLeaving(instance, withinMs) ?? Promise.resolve({ subscribers: 0, acknowledged: 0 }),
    memory,
    clock,
    wheel,
    events,
    onRefused: () => {
      metrics.resourceRefused();
      signals?.resourceRefused();
    },
  });
  closers.add(() => registry.stop());
  const observation = new ObservationRoom({ replica: name, registry, model: index.model, clock, wheel });
  closers.add(() => observation.stop());
  const room = roomOf(options, (lagMs) => {
    metrics.watched(lagMs);
    signals?.watched(lagMs);
  });
  if (room !== null) {
    closers.add(() => room.stop());
    room.source.onPods = (changed) => {
      registry.podsChanged(changed);
      late.peers?.podsChanged(changed);
    };
  }
  const source = room?.source ?? sourceOf(options);
  return {
    index,
    store,
    events,
    totals,
    metrics,
    signals,
    feed,
    memory,
    pods,
    book,
    registry,
    observation,
    room,
    source,
    late,
  };
}

function roomOf(options: ControlOptions, onLag: (lagMs: number) => void): ClusterRoom | null {
  const { cluster, clock, wheel, random, log } = options;
  return cluster === undefined ? null : new ClusterRoom({ ...cluster, clock, wheel, random, log, onLag });
}

function sourceOf(options: ControlOptions): ObjectSource {
  const { source, configFolder, clock, wheel, log } = options;
  if (source !== undefined) return source;
  if (configFolder === undefined) throw new ControlStartError('no configuration; give a folder with --config');
  return new FileSource({ folder: configFolder, clock, wheel, log });
}

/** Loads OpenTelemetry where it is asked for, and nothing elsewhere. */
async function openSignals(
  { telemetry, name, clock, wheel, log }: ControlOptions,
  version: string,
  gauges: ControlGauges,
  silences: WatchSilences,
  closers: ClosingOrder,
): Promise<ControlSignals | null> {
  if (telemetry === undefined) return null;
  const { openTelemetrySdk } = await import('./telemetry/telemetry-sdk.ts');
  const sdk = openTelemetrySdk({ endpoint: telemetry.endpoint, name, version, clock, wheel, log });
  closers.add(() => sdk.stop());
  return new ControlSignals(sdk, clock, gauges, silences);
}
