/** What is to be closed when a control plane ends, or could not start. */
export class ClosingOrder {
  private readonly closers: (() => Promise<void> | void)[];

  constructor() {
    this.closers = [];
  }

  /** Something was opened; `close` ends it. */
  add(close: () => Promise<void> | void): void {
    this.closers.push(close);
  }

  /** The last opened is closed first. */
  async closeAll(): Promise<void> {
    for (const close of this.closers.splice(0).toReversed()) await close();
  }
}
