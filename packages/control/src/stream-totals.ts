import type { SyncSession } from '@weft/wire';

/** Transactions of all streams there are and were. */
export class StreamTotals {
  private readonly open: () => Iterable<SyncSession>;
  private endedTransactions: number;
  private endedAcknowledgements: number;

  constructor(open: () => Iterable<SyncSession>) {
    this.open = open;
    this.endedTransactions = 0;
    this.endedAcknowledgements = 0;
  }

  get transactions(): number {
    return this.endedTransactions + this.sum((session) => session.lastTransaction);
  }

  get acknowledgements(): number {
    return this.endedAcknowledgements + this.sum((session) => session.acknowledgedTransaction);
  }

  /** Resources that open streams are still to be sent. */
  get dirtyResources(): number {
    return this.sum((session) => session.dirtyCount);
  }

  /** A stream has ended; its counts stay. */
  closed(session: SyncSession): void {
    this.endedTransactions += session.lastTransaction;
    this.endedAcknowledgements += session.acknowledgedTransaction;
  }

  private sum(read: (session: SyncSession) => number): number {
    let total = 0;
    for (const session of this.open()) total += read(session);
    return total;
  }
}
