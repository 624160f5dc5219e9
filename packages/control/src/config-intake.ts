/**
 * What sources say, taken in: weighed by the store, told to people, and put in force. The source of truth for what a change of
 * configuration sets in motion.
 */
import type { Clock } from '@weft/kernel';
import { type Change, type ConfigObject, type ObjectOf, type Problem, formatProblem, resolveMesh } from '@weft/model';
import type { ChangeFeed } from './change-feed.ts';
import type { ClusterRoom } from './cluster/cluster-room.ts';
import type { ConfigStore, ObjectRecord, StoreUpdate } from './config-store.ts';
import { ControlStartError } from './control-options.ts';
import type { ControlMetrics } from './control-metrics.ts';
import type { EventLog } from './event-log.ts';
import type { Log } from './log.ts';
import type { ProxyRegistry } from './proxy-registry.ts';
import type { ObjectSource } from './source/object-source.ts';
import type { ControlSignals } from './telemetry/control-signals.ts';

export interface ConfigIntakeOptions {
  readonly source: ObjectSource;
  readonly store: ConfigStore;
  readonly feed: ChangeFeed;
  readonly registry: ProxyRegistry;
  /** Told which objects' status may have changed; null outside of a cluster. */
  readonly room: Pick<ClusterRoom, 'objectsChanged'> | null;
  readonly events: EventLog;
  readonly metrics: ControlMetrics;
  readonly signals: ControlSignals | null;
  /** In place of what the Mesh object says. */
  readonly trustDomain: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class ConfigIntake {
  private readonly options: ConfigIntakeOptions;
  /** Of the certificates that are issued; empty before there are any. */
  private servedDomain: string;

  constructor(options: ConfigIntakeOptions) {
    this.options = options;
    this.servedDomain = '';
  }

  /** Takes in all there is, and from then on what changes. Throws a `ControlStartError` when the source cannot be read at all. */
  async begin(): Promise<void> {
    const { source, store, feed, trustDomain } = this.options;
    if (trustDomain !== undefined) feed.apply([{ type: 'Upsert', object: meshOf(trustDomain, undefined) }]);
    const started = await source.start(
      (places) => this.take(() => store.replace(places)),
      (delta) => this.take(() => store.patch(delta)),
    );
    if (!started.ok) throw new ControlStartError(started.error);
  }

  /** Certificates are issued in this domain from now on, whatever configuration says later. */
  serve(trustDomain: string): void {
    this.servedDomain = trustDomain;
  }

  private take(weigh: () => StoreUpdate): void {
    const { source, clock, metrics, signals, room } = this.options;
    const startedMs = clock.nowMs();
    signals?.taking(source.description);
    const { changes, news, refused } = weigh();
    this.tellProblems(news);
    room?.objectsChanged(refused.map(({ key }) => key));
    this.tellRefused(refused);
    if (changes.length > 0) this.putInForce(changes);
    this.tellTrustDomain();
    metrics.reloaded(clock.nowMs() - startedMs);
    signals?.taken(changes.length, refused.length, clock.nowMs() - startedMs);
  }

  private putInForce(changes: readonly Change[]): void {
    const { feed, registry, room, events, source, trustDomain } = this.options;
    const effect = feed.apply(withTrustDomain(changes, trustDomain));
    registry.refresh(effect.objects);
    room?.objectsChanged(effect.objects);
    const message = `configuration changed: ${changes.length} ${changes.length === 1 ? 'object' : 'objects'}`;
    events.add('info', 'configuration-changed', source.description, message);
  }

  private tellProblems(news: readonly Problem[]): void {
    const { log } = this.options;
    for (const problem of news) {
      if (problem.severity === 'error') log.error(formatProblem(problem));
      else log.warn(formatProblem(problem));
    }
  }

  private tellRefused(refused: readonly ObjectRecord[]): void {
    for (const { ref, problems, object } of refused) {
      const kept = object === undefined ? 'it is not in force' : 'its last good version stays in force';
      const subject = `${ref.kind} ${ref.namespace === '' ? '' : `${ref.namespace}/`}${ref.name}`;
      const first = problems.find(({ severity }) => severity === 'error');
      const message = `${subject} is refused, ${kept}: ${first?.message ?? ''}`;
      this.options.events.add('error', 'object-refused', subject, message);
    }
  }

  private tellTrustDomain(): void {
    const { feed, log } = this.options;
    const { trustDomain } = resolveMesh(feed.index.model);
    if (this.servedDomain === '' || this.servedDomain === trustDomain) return;
    log.error(
      `the trust domain is now ${trustDomain}; certificates stay in ${this.servedDomain} until a restart with another state folder`,
    );
  }
}

/** The trust domain given at start stands over what the Mesh object says, and stays when that goes. */
function withTrustDomain(changes: readonly Change[], trustDomain: string | undefined): readonly Change[] {
  if (trustDomain === undefined) return changes;
  return changes.map((change): Change => {
    if (change.type === 'Upsert' && change.object.kind === 'Mesh') {
      return { type: 'Upsert', object: meshOf(trustDomain, change.object) };
    }
    if (change.type === 'Remove' && change.key.startsWith('Mesh/')) {
      return { type: 'Upsert', object: meshOf(trustDomain, undefined) };
    }
    return change;
  });
}

function meshOf(trustDomain: string, mesh: ObjectOf<'Mesh'> | undefined): ConfigObject {
  return {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'Mesh',
    metadata: mesh?.metadata ?? { name: 'default', namespace: '', labels: {}, generation: 0, createdAtMs: 0 },
    spec: { ...mesh?.spec, trustDomain },
  };
}
