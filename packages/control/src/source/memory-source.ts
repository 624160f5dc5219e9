import { type Result, ok } from '@weft/kernel';
import { type ConfigPlace, readPlace } from './config-place.ts';
import type { ObjectSource, SourceSink } from './object-source.ts';

/** Configuration held in memory, place by place: for meshes inside one process, and for tests. */
export class MemorySource implements ObjectSource {
  readonly description = 'memory';
  private readonly places: Map<string, ConfigPlace>;
  private sink: SourceSink | null;

  /** Texts by the name of their place. */
  constructor(texts: Readonly<Record<string, string>> = {}) {
    this.places = new Map();
    this.sink = null;
    for (const [name, text] of Object.entries(texts)) this.places.set(name, readPlace(name, text));
  }

  /** Replaces a place's text and hands over the new set at once. */
  put(name: string, text: string): void {
    this.places.set(name, readPlace(name, text));
    this.emit();
  }

  /** Removes a place; nothing happens when there is none. */
  remove(name: string): void {
    if (this.places.delete(name)) this.emit();
  }

  start(sink: SourceSink): Promise<Result<true, string>> {
    this.sink = sink;
    this.emit();
    return Promise.resolve(ok(true));
  }

  stop(): Promise<void> {
    this.sink = null;
    return Promise.resolve();
  }

  private emit(): void {
    this.sink?.([...this.places.values()].sort((left, right) => (left.name < right.name ? -1 : 1)));
  }
}
