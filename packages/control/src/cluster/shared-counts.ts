/**
 * How many proxies of each replica use an object, and how many of those are behind: a proxy is connected to one replica, and
 * status speaks of all. Each replica keeps a ConfigMap of its own; the one that leads adds them up.
 */
import type { Clock, Random, TimerWheel } from '@weft/kernel';
import { KindWatch, type KubeClient } from '@weft/kube';
import type { ObjectKey } from '@weft/model';
import type { Log } from '../log.ts';
import type { ProxyCount } from '../object-report.ts';

export interface SharedCountsOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly replica: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: Log;
}

interface PeerCounts {
  readonly counts: ReadonlyMap<string, ProxyCount>;
  readonly seenAtMs: number;
}

const LABEL = 'weft.dev/counts';
const KEY = 'counts';
/** Said again so often, changed or not, and not believed after three times that: a replica may die without a word. */
const REPEAT_MS = 30_000;
const BELIEVED_MS = 3 * REPEAT_MS;
/** Of what a ConfigMap may hold; objects above it are counted by their own replica only. */
const MAX_BYTES = 768 * 1024;
const nobody: ProxyCount = { holders: 0, behind: 0 };

export class SharedCounts {
  private readonly options: SharedCountsOptions;
  private readonly watch: KindWatch<PeerCounts>;
  /** Null before the first. */
  private written: string | null;
  private writtenAtMs: number;
  private writing: Promise<void> | null;

  constructor(options: SharedCountsOptions) {
    const { client, namespace, clock, wheel, random, log } = options;
    this.options = options;
    this.watch = new KindWatch(
      client,
      {
        path: `/api/v1/namespaces/${namespace}/configmaps`,
        labelSelector: `${LABEL}=true`,
        trim: (raw) => {
          const text = (raw['data'] as Readonly<Record<string, string>> | undefined)?.[KEY] ?? '';
          return { counts: readCounts(text), seenAtMs: clock.nowMs() };
        },
      },
      {
        changed: () => undefined,
        synced: () => undefined,
        troubled: ({ message }) => log.warn(`counts of other replicas are not known: ${message}`),
      },
      { clock, wheel, random },
    );
    this.written = null;
    this.writtenAtMs = Number.NEGATIVE_INFINITY;
    this.writing = null;
  }

  start(): void {
    this.watch.start();
  }

  /** Proxies of the other replicas that use an object. */
  elsewhere(key: ObjectKey): ProxyCount {
    const { namespace, clock } = this.options;
    const own = `${namespace}/${this.name()}`;
    const nowMs = clock.nowMs();
    let holders = 0;
    let behind = 0;
    for (const [name, peer] of this.watch.values()) {
      const count = name === own || nowMs - peer.seenAtMs > BELIEVED_MS ? undefined : peer.counts.get(key);
      holders += count?.holders ?? 0;
      behind += count?.behind ?? 0;
    }
    return holders === 0 ? nobody : { holders, behind };
  }

  /** Tells the others, when there is news or nothing was said for long. */
  publish(counts: ReadonlyMap<ObjectKey, ProxyCount>): void {
    const { clock } = this.options;
    const text = writeCounts(counts);
    const isNews = text !== this.written || clock.nowMs() - this.writtenAtMs >= REPEAT_MS;
    if (!isNews || this.writing !== null) return;
    this.writing = this.write(text).finally(() => {
      this.writing = null;
    });
  }

  async stop(): Promise<void> {
    const { client } = this.options;
    await this.watch.stop();
    await this.writing;
    if (this.written !== null) await client.request({ method: 'DELETE', path: this.path() });
  }

  private async write(text: string): Promise<void> {
    const { client, clock, log, namespace } = this.options;
    const body = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: this.name(),
        namespace,
        labels: { [LABEL]: 'true' },
        annotations: { 'weft.dev/said-at': new Date(clock.wallMs()).toISOString() },
      },
      data: { [KEY]: text },
    };
    const path = `${this.path()}?fieldManager=weft-control&force=true`;
    const done = await client.request({ method: 'PATCH', path, contentType: 'application/apply-patch+yaml', body });
    if (done.ok) {
      this.written = text;
      this.writtenAtMs = clock.nowMs();
    } else log.warn(`proxies of this replica are not told to the others: ${done.error.message}`);
  }

  private path(): string {
    return `/api/v1/namespaces/${this.options.namespace}/configmaps/${this.name()}`;
  }

  private name(): string {
    return `weft-counts-${this.options.replica}`;
  }
}

/** A line an object: `key holders behind`. */
function writeCounts(counts: ReadonlyMap<ObjectKey, ProxyCount>): string {
  const lines: string[] = [];
  let length = 0;
  for (const [key, { holders, behind }] of counts) {
    const line = `${key} ${holders} ${behind}\n`;
    length += line.length;
    if (length > MAX_BYTES) break;
    lines.push(line);
  }
  return lines.join('');
}

function readCounts(text: string): Map<string, ProxyCount> {
  const counts = new Map<string, ProxyCount>();
  for (const line of text.slice(0, MAX_BYTES).split('\n')) {
    const match = /^(\S+) (\d{1,9}) (\d{1,9})$/.exec(line);
    if (match !== null) counts.set(match[1]!, { holders: Number(match[2]), behind: Number(match[3]) });
  }
  return counts;
}
