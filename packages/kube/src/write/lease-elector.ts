/**
 * One of several replicas leads, by a Lease of coordination.k8s.io.
 *
 * A replica leads only while it knows of a renewal of its own that is younger than `renewDeadlineMs`, which is less than the
 * time after which others may take the Lease: so there are two leaders at no time, whatever the clocks of the machines say
 * (each looks at its own, and only at durations). Whoever writes asks `isLeader` before each write.
 */
import { type Clock, type Random, type Timer, type TimerWheel } from '@weft/kernel';
import type { KubeClient } from '../client/kube-client.ts';
import type { KubeFault } from '../client/kube-fault.ts';

export interface LeaseElectorOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Unique among replicas: the pod's name. */
  readonly identity: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  /** Leadership came or went. */
  readonly onChange: (isLeader: boolean) => void;
  /** The Lease can't be read or written; once per reason. */
  readonly onTrouble: (fault: KubeFault) => void;
  readonly leaseMs?: number;
  readonly renewDeadlineMs?: number;
  readonly retryMs?: number;
}

interface Lease {
  readonly metadata?: { readonly resourceVersion?: string };
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly renewTime?: string;
    readonly acquireTime?: string;
    readonly leaseTransitions?: number;
  };
}

const LEASE_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
const RETRY_MS = 2000;
const API_VERSION = 'coordination.k8s.io/v1';

export class LeaseElector {
  private readonly options: LeaseElectorOptions;
  private readonly timer: Timer;
  private readonly expiry: Timer;
  /** When the renewal that this leadership rests on was sent. */
  private renewedAtMs: number;
  private leads: boolean;
  /** The Lease as last seen of another, and since when it has been just that. */
  private seen: string;
  private seenSinceMs: number;
  private lastTrouble: string;
  private isStopped: boolean;
  private turn: Promise<void> | null;

  constructor(options: LeaseElectorOptions) {
    this.options = options;
    this.timer = options.wheel.create(() => this.next());
    this.expiry = options.wheel.create(() => this.expire());
    this.renewedAtMs = Number.NEGATIVE_INFINITY;
    this.leads = false;
    this.seen = '';
    this.seenSinceMs = 0;
    this.lastTrouble = '';
    this.isStopped = false;
    this.turn = null;
  }

  /** Whether this replica leads now. To be asked before each write. */
  get isLeader(): boolean {
    const { clock, renewDeadlineMs = RENEW_DEADLINE_MS } = this.options;
    return this.leads && clock.nowMs() - this.renewedAtMs < renewDeadlineMs;
  }

  start(): void {
    this.next();
  }

  /** Gives the Lease back, so that another needs not wait for its end. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.timer.cancel();
    this.expiry.cancel();
    await this.turn;
    if (!this.leads) return;
    this.leads = false;
    const got = await this.read();
    if (got.ok && got.value?.spec?.holderIdentity === this.options.identity) await this.write(got.value, '', 1);
    this.options.onChange(false);
  }

  private next(): void {
    if (this.turn !== null) return;
    this.turn = this.take().finally(() => {
      this.turn = null;
      if (this.isStopped) return;
      const { random, retryMs = RETRY_MS } = this.options;
      this.timer.reschedule(retryMs * (0.8 + 0.4 * random()));
    });
  }

  private async take(): Promise<void> {
    const { clock, identity, leaseMs = LEASE_MS } = this.options;
    const startedMs = clock.nowMs();
    const got = await this.read();
    if (!got.ok) return this.trouble(got.error);
    const lease = got.value;
    const holder = lease?.spec?.holderIdentity ?? '';
    if (holder !== '' && holder !== identity) {
      if (this.leads) this.lose();
      const seen = `${lease?.metadata?.resourceVersion ?? ''} ${lease?.spec?.renewTime ?? ''}`;
      if (seen !== this.seen) {
        this.seen = seen;
        this.seenSinceMs = startedMs;
      }
      const durationMs = Math.max(leaseMs, (lease?.spec?.leaseDurationSeconds ?? 0) * 1000);
      if (startedMs - this.seenSinceMs < durationMs) return;
    }
    const sentMs = clock.nowMs();
    const written = await this.write(lease, identity, Math.ceil(leaseMs / 1000));
    if (!written.ok) {
      // Another was faster: no trouble.
      if (written.error.code !== 'conflict') this.trouble(written.error);
      return;
    }
    this.renewed(sentMs);
  }

  private renewed(sentMs: number): void {
    const { renewDeadlineMs = RENEW_DEADLINE_MS, onChange, clock } = this.options;
    this.renewedAtMs = sentMs;
    this.lastTrouble = '';
    if (this.isStopped) return;
    this.expiry.reschedule(Math.max(0, sentMs + renewDeadlineMs - clock.nowMs()));
    if (this.leads) return;
    this.leads = true;
    onChange(true);
  }

  private expire(): void {
    if (this.leads) this.lose();
  }

  private lose(): void {
    this.leads = false;
    this.expiry.cancel();
    this.options.onChange(false);
  }

  private trouble(fault: KubeFault): void {
    if (fault.message === this.lastTrouble) return;
    this.lastTrouble = fault.message;
    this.options.onTrouble(fault);
  }

  private async read() {
    const got = await this.options.client.get(`${this.collection()}/${this.options.name}`);
    if (got.ok) return { ok: true as const, value: got.value as Lease | undefined };
    return got.error.code === 'not-found' ? { ok: true as const, value: undefined } : got;
  }

  private write(before: Lease | undefined, holder: string, seconds: number) {
    const { client, name, namespace, clock } = this.options;
    const now = microTime(clock.wallMs());
    const isSame = before?.spec?.holderIdentity === holder;
    const transitions = before?.spec?.leaseTransitions ?? 0;
    const version = before?.metadata?.resourceVersion;
    const body = {
      apiVersion: API_VERSION,
      kind: 'Lease',
      metadata: { name, namespace, ...(version === undefined ? {} : { resourceVersion: version }) },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: seconds,
        acquireTime: isSame ? (before?.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: before === undefined || isSame || holder === '' ? transitions : transitions + 1,
      },
    };
    return before === undefined
      ? client.request({ method: 'POST', path: this.collection(), body })
      : client.request({ method: 'PUT', path: `${this.collection()}/${name}`, body });
  }

  private collection(): string {
    return `/apis/${API_VERSION}/namespaces/${this.options.namespace}/leases`;
  }
}

/** `metav1.MicroTime`. */
function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z');
}
