/** Speaks to load-program.ts, one command at a time. */
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Running, Workbench } from '../workbench.ts';

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
  readonly failure?: string;
}

const program = fileURLToPath(new URL('load-program.ts', import.meta.url));

export class LoadDriver {
  private readonly running: Running;
  private readonly lines: AsyncIterator<string>;
  private readonly reader: Interface;

  constructor(workbench: Workbench) {
    this.running = workbench.start({
      command: process.execPath,
      // A young generation that a round does not fill: a collection would be the generator's own lateness.
      args: ['--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64', program],
      processor: 'load',
      piped: true,
    });
    this.reader = createInterface({ input: this.running.child.stdout! });
    this.lines = this.reader[Symbol.asyncIterator]();
  }

  get group(): number {
    return this.running.pid;
  }

  async run(command: LoadCommand): Promise<LoadReply> {
    this.running.child.stdin!.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.lines.next();
    if (done === true) throw new Error('the load program has ended');
    const reply = JSON.parse(value) as LoadReply;
    if (reply.failure !== undefined) throw new Error(`${command.do}: ${reply.failure}`);
    return reply;
  }

  async stop(): Promise<void> {
    this.reader.close();
    await this.running.stop();
  }
}
