/** Speaks to load-program.ts, one command at a time. */
import { fileURLToPath } from 'node:url';
import { LineProgram } from '../line-program.ts';
import type { Workbench } from '../workbench.ts';

/** Requests at a fixed rate, each at a random moment of its slot. */
export interface OpenRun {
  readonly do: 'open';
  readonly port: number;
  readonly host: string;
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
  readonly seed: number;
}

export interface ClosedRun {
  readonly do: 'closed';
  readonly port: number;
  readonly host: string;
  readonly seconds: number;
  readonly connections: number;
}

export interface HoldRun {
  readonly do: 'hold';
  readonly port: number;
  readonly host: string;
  readonly connections: number;
  readonly tls?: {
    readonly root: string;
    readonly certificate: string;
    readonly key: string;
    readonly protocols: readonly string[];
  };
}

export type LoadCommand =
  | OpenRun
  | ClosedRun
  | HoldRun
  | { readonly do: 'upstream'; readonly port: number }
  | { readonly do: 'served' }
  | { readonly do: 'alive' }
  | { readonly do: 'release' };

export interface LoadReply {
  readonly completed: number;
  /** Not 200, connections lost, replies that never came. */
  readonly errors: number;
  /** Requests under way while the generator itself was late; they are in no latency. */
  readonly disturbed?: number;
  /** Share of the run in which the generator was late, 0 to 1. */
  readonly lateShare?: number;
  readonly latency?: readonly (readonly [number, number])[];
  readonly port?: number;
}

const program = fileURLToPath(new URL('load-program.ts', import.meta.url));

export class LoadDriver {
  private readonly program: LineProgram;

  constructor(workbench: Workbench) {
    this.program = new LineProgram(workbench, {
      command: process.execPath,
      // A young generation that a round does not fill: a collection would be the generator's own lateness.
      args: ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64', program],
      processor: 'load',
    });
  }

  async run(command: LoadCommand): Promise<LoadReply> {
    return (await this.program.ask(command)) as LoadReply;
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}
