import type { Clock } from '@weft/kernel';
import type { KubeClient } from '../client/kube-client.ts';
import type { KubeFault } from '../client/kube-fault.ts';

/** The object that an event is about. */
export interface Regarding {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for what is cluster-scoped: its events stand in `default`. */
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** Name of this replica. */
  readonly instance: string;
  readonly onFault: (fault: KubeFault) => void;
}

/** The same about the same object is not said again so soon. */
const REPEAT_MS = 600_000;
/** What is remembered of that; the oldest is forgotten first. */
const REMEMBERED = 4096;
const BURST = 30;
const PER_SECOND = 1;
const MAX_NOTE = 1024;

/** Events on objects, for `kubectl describe`. Never more than a trickle: an API server keeps them all for an hour. */
export class EventRecorder {
  private readonly options: EventRecorderOptions;
  private readonly said: Map<string, number>;
  private tokens: number;
  private filledAtMs: number;

  constructor(options: EventRecorderOptions) {
    this.options = options;
    this.said = new Map();
    this.tokens = BURST;
    this.filledAtMs = options.clock.nowMs();
  }

  /** `reason` is one word for machines, `note` a sentence. Resolves when it was sent, or was one too many. */
  async record(regarding: Regarding, type: 'Normal' | 'Warning', reason: string, note: string): Promise<void> {
    const { client, clock, instance, onFault } = this.options;
    const key = [regarding.kind, regarding.namespace, regarding.name, reason, note].join('\n');
    const nowMs = clock.nowMs();
    const before = this.said.get(key);
    if (before !== undefined && nowMs - before < REPEAT_MS) return;
    this.tokens = Math.min(BURST, this.tokens + ((nowMs - this.filledAtMs) / 1000) * PER_SECOND);
    this.filledAtMs = nowMs;
    if (this.tokens < 1) return;
    this.tokens -= 1;
    this.said.delete(key);
    this.said.set(key, nowMs);
    if (this.said.size > REMEMBERED) this.said.delete(this.said.keys().next().value!);
    const namespace = regarding.namespace === '' ? 'default' : regarding.namespace;
    const sent = await client.request({
      method: 'POST',
      path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
      body: {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { generateName: `${regarding.name.slice(0, 200)}-`, namespace },
        eventTime: new Date(clock.wallMs()).toISOString().replace('Z', '000Z'),
        reportingController: 'weft.dev/control',
        reportingInstance: instance.slice(0, 128),
        action: 'Reconcile',
        reason,
        type,
        note: note.slice(0, MAX_NOTE),
        regarding,
      },
    });
    if (!sent.ok) onFault(sent.error);
  }
}
