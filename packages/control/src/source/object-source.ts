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
   *
   * A source of many small places says later sets to `patch`, where there is one, as what differs from the set before.
   */
  start(sink: SourceSink, patch?: (delta: SetDelta) => void): Promise<Result<true, string>>;
  /** Nothing reaches the sink afterwards; nothing is left open. */
  stop(): Promise<void>;
}

export type SourceSink = (places: readonly ConfigPlace[]) => void;

/** What differs from the set before. No two places of its source hold the same object, and each holds one. */
export interface SetDelta {
  readonly changed: readonly ConfigPlace[];
  /** Names of places that are gone. */
  readonly removed: readonly string[];
}
