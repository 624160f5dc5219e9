import type { Buffer } from 'node:buffer';
import type { ReceivedResource } from '@weft/decision';
import type { Clock, Random, TimerWheel } from '@weft/kernel';
import type { DestinationKey, ResourceKey } from '@weft/model';
import { CERTIFICATES_CAPABILITY, SyncClient, syncConnector } from '@weft/wire';
import type { AnnouncedListener, ConnectionFacts, Counters, Drain, Report, SyncHandler, Tapped } from '@weft/wire';
import { DestinationUse } from './destination-use.ts';
import type { DestinationUsePort } from './destination-use.ts';
import type { ProxyOptions } from './proxy-options.ts';
import type { WorkloadIdentity } from './security/workload-identity.ts';
import { takesCertificates } from './security/pushed-certificates.ts';

export interface ControlLinkOptions {
  readonly proxy: ProxyOptions;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly identity: WorkloadIdentity;
  readonly listeners: readonly AnnouncedListener[];
  /** The version that is served from while the control plane is away. */
  readonly version: () => string;
  readonly handler: Pick<SyncHandler, 'apply' | 'missing' | 'complete' | 'why' | 'backends' | 'tap'>;
  /** The stream is up, for the first time or again. */
  connected(): void;
  /** It ended: what was asked on it is asked no more. */
  lost(): void;
}

/** Of a proxy that serves without a control plane. */
export const notConnected: ConnectionFacts = {
  state: 'stopped',
  sinceMs: 0,
  server: '',
  session: '',
  failures: 0,
  lastError: '',
};

/** This proxy's line to the control plane: one Sync stream, whatever serves below. */
export class ControlLink {
  /** As the stream was last heard of. */
  facts: ConnectionFacts;
  reconnects: number;
  private readonly options: ControlLinkOptions;
  private readonly sync: SyncClient;
  private withdrawn: (() => void) | null;

  constructor(options: ControlLinkOptions) {
    const { proxy, identity } = options;
    this.options = options;
    this.facts = notConnected;
    this.reconnects = 0;
    this.withdrawn = null;
    this.sync = new SyncClient({
      workload: {
        namespace: proxy.namespace,
        name: proxy.name,
        serviceAccount: proxy.serviceAccount,
        instance: proxy.instance,
        labels: Object.entries(proxy.labels)
          .map(([name, value]) => ({ name, value }))
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
        node: proxy.node,
        zone: proxy.zone,
        version: proxy.version,
        ephemeral: proxy.service !== '',
        service: proxy.service,
        weight: proxy.weight,
      },
      listeners: options.listeners,
      // As the control plane knows it: then ports that only Services name are reached through this proxy too.
      capabilities: [
        ...(proxy.capture === undefined ? [] : ['captured']),
        ...(takesCertificates(proxy) ? [CERTIFICATES_CAPABILITY] : []),
      ],
      gateway: proxy.gateway,
      connector: syncConnector(
        () => identity.controlAddress,
        () => identity.clientTls(),
      ),
      handler: {
        ...options.handler,
        trustBundle: (bundle) => identity.takeBundle(bundle),
        drain: (drain) => this.drainMessage(drain),
        connection: (facts) => this.connection(facts),
      },
      clock: options.clock,
      timers: options.wheel,
      random: options.random,
      breathe: () => new Promise<void>((resolve) => void setImmediate(resolve)),
    });
  }

  /** Connects. `held` is what the life before held; what it called is wanted again. `takeUsed` says what is in use. */
  start(held: ReadonlyMap<ResourceKey, ReceivedResource>, takeUsed: () => Iterable<DestinationKey>): void {
    this.sync.restore(held);
    const called = [...held.values()].flatMap(({ resource }) => (resource.type === 'routes' ? [resource.name] : []));
    if (called.length > 0) this.sync.subscribe(called);
    this.sync.start();
    const { clock, wheel } = this.options;
    new DestinationUse(this.usePort(takeUsed), clock, wheel).start();
  }

  subscribe(keys: readonly DestinationKey[]): void {
    this.sync.subscribe(keys);
  }

  unsubscribe(keys: readonly DestinationKey[]): void {
    this.sync.unsubscribe(keys);
  }

  report(report: Report): void {
    this.sync.report(report);
  }

  /** Says what was carried; lost when the control plane is away. */
  count(counters: Counters): void {
    this.sync.count(counters);
  }

  tapped(tapped: Tapped): void {
    this.sync.tapped(tapped);
  }

  /** Goes on under the present leaf. */
  reauthenticate(): void {
    this.sync.reauthenticate();
  }

  /** Everything held, for the state folder. */
  snapshot(): Promise<readonly Buffer[]> {
    return this.sync.snapshot();
  }

  /** Resolves when the subscribers have been told that this instance leaves, or after `mostMs`; `tell` says it to the control plane. */
  async withdraw(mostMs: number, tell: () => void): Promise<void> {
    if (this.facts.state !== 'connected') return;
    await new Promise<void>((resolve) => {
      const timer = this.options.wheel.schedule(mostMs, resolve);
      this.withdrawn = () => {
        timer.cancel();
        resolve();
      };
      tell();
    });
  }

  stop(): void {
    this.sync.stop();
  }

  private usePort(takeUsed: () => Iterable<DestinationKey>): DestinationUsePort {
    const { sync } = this;
    return {
      takeUsed,
      get subscribed() {
        return sync.destinations;
      },
      get connected() {
        return sync.connection.state === 'connected';
      },
      subscribe: (keys) => void sync.subscribe(keys),
      unsubscribe: (keys) => sync.unsubscribe(keys),
    };
  }

  private drainMessage({ reason, withinMs }: Drain): void {
    const { wheel, random } = this.options;
    if (reason === 'Withdrawn') this.withdrawn?.();
    else wheel.schedule(random() * withinMs, () => this.sync.reauthenticate());
  }

  private connection(facts: ConnectionFacts): void {
    const before = this.facts;
    this.facts = facts;
    const { log } = this.options.proxy;
    if (facts.state === 'connected' && before.state !== 'connected') {
      this.reconnects += before.sinceMs === 0 ? 0 : 1;
      log.info('control plane connected', { server: facts.server });
      this.options.connected();
    } else if (before.state === 'connected' && facts.state !== 'connected' && facts.state !== 'stopped') {
      this.options.lost();
      log.warn(`control plane lost: ${facts.lastError}; serving from version ${this.options.version()}`);
    }
  }
}
