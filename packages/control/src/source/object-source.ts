import type { Result } from '@weft/kernel';
import type { ConfigPlace } from './config-place.ts';

/**
 * Where configuration comes from. A source hands over whole sets, never differences: whatever it missed, its next set puts
 * right. `source-contract.ts` says in tests what every source keeps to.
 */
export interface ObjectSource {
  /** As a person would name it: `files in ./mesh`. */
  readonly description: string;
  /**
   * Hands the first set to `sink` before it resolves, later ones whenever something changed, in order. A place that did not change is the same object as in the set before. Places are in
   * the order of their names, no two of one name. Fails with one line for a person when there is nothing to read from.
   */
  start(sink: SourceSink): Promise<Result<true, string>>;
  /** Nothing reaches the sink afterwards; nothing is left open. */
  stop(): Promise<void>;
}

export type SourceSink = (places: readonly ConfigPlace[]) => void;
