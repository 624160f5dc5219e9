/** What a suite found: each case once, and a line for each that failed. */
export class Tally {
  readonly suite: string;
  passed: number;
  readonly failures: string[];
  /** Cases that could not be run, with what is lacking; they are neither passed nor failed. */
  readonly skips: string[];

  constructor(suite: string) {
    this.suite = suite;
    this.passed = 0;
    this.failures = [];
    this.skips = [];
  }

  pass(count = 1): void {
    this.passed += count;
  }

  fail(name: string, why: string): void {
    this.failures.push(`${name}: ${why}`);
  }

  skip(name: string, why: string): void {
    this.skips.push(`${name}: ${why}`);
  }

  /** Counts a check that throws as failed. */
  async check(name: string, run: () => void | Promise<void>): Promise<void> {
    try {
      await run();
      this.pass();
    } catch (error) {
      this.fail(name, error instanceof Error ? error.message : String(error));
    }
  }

  /** For the screen: failures in full, and the counts. */
  lines(): string[] {
    return [
      ...this.failures.map((failure) => `  failed   ${failure}`),
      ...this.skips.map((skip) => `  skipped  ${skip}`),
      `${this.suite}: ${this.passed} passed, ${this.failures.length} failed`,
    ];
  }
}
