export type VerdictKind = 'same' | 'elsewhere' | 'otherwise' | 'undecidable' | 'arrived' | 'connection' | 'unreadable';

/** What became of some lines, and why. Counted up while a log is read. */
export interface Verdict {
  /**
   * `same`: nothing changes. `elsewhere`: routed elsewhere. `otherwise`: to the same place with other time-outs, retries or
   * edits. `arrived`: the line of the receiver, whose caller has one of its own. `connection`: no request.
   */
  readonly kind: VerdictKind;
  /** The rule and what it does; of undecidable lines what is missing. */
  readonly from: string;
  readonly to: string;
  /** The first such request. */
  readonly example: string;
  count: number;
}
