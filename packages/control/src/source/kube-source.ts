import { type Result, ok } from '@weft/kernel';
import { type ClusterWatch, type TranslatedObject, type TranslationUpdate } from '@weft/kube';
import { byCodeUnit } from '@weft/model';
import { checkPattern } from '@weft/routing';
import type { ConfigPlace } from './config-place.ts';
import type { ObjectSource, SetDelta, SourceSink } from './object-source.ts';

/** Makes the watch of a cluster, which tells `onUpdate` what changed. */
export type OpenWatch = (
  onUpdate: (update: TranslationUpdate) => void,
  checkRegularExpression: (pattern: string) => string | undefined,
) => ClusterWatch;

/** The objects of a Kubernetes cluster: each stands in a place of its own. */
export class KubeSource implements ObjectSource {
  readonly description: string;
  /** Told of pods that changed, after what they became. */
  onPods: (pods: readonly string[]) => void;
  private readonly places: Map<string, ConfigPlace>;
  private readonly watch: ClusterWatch;
  private sink: SourceSink | null;
  private patch: ((delta: SetDelta) => void) | undefined;
  private isFirst: boolean;

  constructor(description: string, open: OpenWatch) {
    this.description = description;
    this.onPods = () => undefined;
    this.places = new Map();
    this.sink = null;
    this.patch = undefined;
    this.isFirst = true;
    this.watch = open((update) => this.take(update), checkPattern);
  }

  /** What is known of the cluster beside what is configured. */
  get cluster(): ClusterWatch {
    return this.watch;
  }

  async start(sink: SourceSink, patch?: (delta: SetDelta) => void): Promise<Result<true, string>> {
    this.sink = sink;
    this.patch = patch;
    const started = await this.watch.start();
    if (!started.ok) {
      this.sink = null;
      await this.watch.stop();
      return started;
    }
    return ok(true);
  }

  async stop(): Promise<void> {
    this.sink = null;
    await this.watch.stop();
  }

  private take({ changed, removed, pods }: TranslationUpdate): void {
    for (const name of removed) this.places.delete(name);
    const news = changed.map(placeOf);
    for (const place of news) this.places.set(place.name, place);
    if (this.sink === null) return;
    if (this.isFirst || this.patch === undefined) {
      this.isFirst = false;
      this.sink([...this.places.values()].sort((left, right) => byCodeUnit(left.name, right.name)));
    } else if (news.length > 0 || removed.length > 0) this.patch({ changed: news, removed });
    if (pods.length > 0) this.onPods(pods);
  }
}

function placeOf({ name, raw, result }: TranslatedObject): ConfigPlace {
  return { name, objects: [{ result, raw, line: 0 }], problems: [], whole: true };
}
