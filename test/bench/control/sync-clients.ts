/** Many simulated sidecars in one process of their own: real streams over mutual TLS, nothing behind them. */
import { fileURLToPath } from 'node:url';
import { LineProgram } from '../line-program.ts';
import type { Workbench } from '../workbench.ts';

export type ClientsCommand =
  | {
      readonly do: 'connect';
      readonly count: number;
      readonly address: string;
      readonly token: string;
      readonly destination: string;
    }
  /** The times of what has reached every client since the last question. */
  | { readonly do: 'reached' };

export interface Reached {
  /** Port of the change, and when the last client had it in force: Unix milliseconds with fractions. */
  readonly changes: readonly (readonly [number, number])[];
}

const program = fileURLToPath(new URL('sync-clients-program.ts', import.meta.url));

export class SyncClients {
  private readonly program: LineProgram;

  constructor(workbench: Workbench) {
    this.program = new LineProgram(workbench, { command: process.execPath, args: [program], processor: 'load' });
  }

  /** Resolves when all have what they subscribed to. */
  async connect(count: number, address: string, token: string, destination: string): Promise<void> {
    await this.program.ask({ do: 'connect', count, address, token, destination } satisfies ClientsCommand);
  }

  async reached(): Promise<Reached> {
    return (await this.program.ask({ do: 'reached' } satisfies ClientsCommand)) as Reached;
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}
