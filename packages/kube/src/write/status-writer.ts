/**
 * Status of objects, written when it differs from what stands there, one object after the other, by the leader only.
 *
 * Lists that several controllers share are read and written back with their version, so that nobody's entry is lost; objects
 * of Weft's own kinds are written by server-side apply, which needs no version.
 */
import type { Clock, Timer, TimerWheel } from '@weft/kernel';
import type { KubeClient } from '../client/kube-client.ts';
import { type KubeFault, isPassing } from '../client/kube-fault.ts';
import { type ServedKind, objectPath } from '../watch/api-discovery.ts';
import type { RawObject } from '../watch/kind-watch.ts';
import { type DesiredStatus, isOwnKind, mergeStatus } from './desired-status.ts';

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** How a kind is served here; undefined when it is not. */
  readonly served: (kind: string) => ServedKind | undefined;
  /** An object as last seen. */
  readonly object: (kind: string, namespace: string, name: string) => RawObject | undefined;
  /** Asked before each write. */
  readonly mayWrite: () => boolean;
  readonly onFault: (desired: DesiredStatus, fault: KubeFault) => void;
  /** Pause between rounds. */
  readonly roundMs?: number;
}

const ROUND_MS = 200;
const RETRY_MS = 5000;
const CONFLICTS = 3;
const APPLY = 'application/apply-patch+yaml';
export const fieldManager = 'weft-control';

export class StatusWriter {
  /** Writes that the server took. */
  written = 0;
  private readonly options: StatusWriterOptions;
  private readonly timer: Timer;
  private readonly due: Map<string, DesiredStatus>;
  private round: Promise<void> | null;
  private isStopped: boolean;

  constructor(options: StatusWriterOptions) {
    this.options = options;
    this.timer = options.wheel.create(() => this.begin());
    this.due = new Map();
    this.round = null;
    this.isStopped = false;
  }

  /** What is to stand there; of two for one object the later holds. */
  want(desired: DesiredStatus): void {
    if (this.isStopped) return;
    this.due.set(`${desired.kind}/${desired.namespace}/${desired.name}`, desired);
    if (!this.timer.armed && this.round === null) this.timer.reschedule(this.options.roundMs ?? ROUND_MS);
  }

  get waiting(): number {
    return this.due.size;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.timer.cancel();
    this.due.clear();
    await this.round;
  }

  private begin(): void {
    this.round ??= this.writeDue().finally(() => {
      this.round = null;
    });
  }

  private async writeDue(): Promise<void> {
    const { mayWrite, onFault, wheel } = this.options;
    for (const [key, desired] of this.due) {
      if (this.isStopped) return;
      this.due.delete(key);
      if (!mayWrite()) continue;
      const fault = await this.writeOne(desired);
      if (fault === undefined) continue;
      // Gone in the meantime: nobody is left to tell.
      if (fault.code === 'not-found') continue;
      onFault(desired, fault);
      if (!isPassing(fault) && fault.code !== 'conflict') continue;
      if (!this.due.has(key)) this.due.set(key, desired);
      wheel.schedule(Math.max(RETRY_MS, fault.retryAfterMs), () => this.begin());
      return;
    }
  }

  private async writeOne(desired: DesiredStatus): Promise<KubeFault | undefined> {
    const { client, served, object, clock } = this.options;
    const kind = served(desired.kind);
    let current = object(desired.kind, desired.namespace, desired.name);
    if (kind === undefined || current === undefined) return undefined;
    const path = `${objectPath(kind, desired.namespace, desired.name)}/status`;
    const now = new Date(clock.wallMs()).toISOString().replace(/\.\d+Z$/, 'Z');
    const identity = {
      apiVersion: `${kind.group}/${kind.version}`,
      kind: desired.kind,
      metadata: { name: desired.name, ...(kind.namespaced ? { namespace: desired.namespace } : {}) },
    };
    let last: KubeFault | undefined;
    for (let attempt = 0; attempt < CONFLICTS; attempt += 1) {
      const status = mergeStatus(desired, current['status'], now);
      if (status === undefined) return undefined;
      const version = current.metadata.resourceVersion;
      const written = isOwnKind(kind.group)
        ? await client.request({
            method: 'PATCH',
            path: `${path}?fieldManager=${fieldManager}&force=true`,
            contentType: APPLY,
            body: { ...identity, status },
          })
        : await client.request({
            method: 'PUT',
            path,
            body: {
              ...identity,
              metadata: { ...identity.metadata, resourceVersion: version },
              // Validation looks at the whole object, though only status is written.
              ...(current['spec'] === undefined ? {} : { spec: current['spec'] }),
              status,
            },
          });
      if (written.ok) {
        this.written += 1;
        return undefined;
      }
      last = written.error;
      if (last.code !== 'conflict') return last;
      const got = await client.get(objectPath(kind, desired.namespace, desired.name));
      if (!got.ok) return got.error;
      current = got.value as RawObject;
    }
    return last;
  }
}
