/** Speaks to bytes-program.ts, one command at a time. */
import { fileURLToPath } from 'node:url';
import { LineProgram, nodeProgram } from '../line-program.ts';
import type { Workbench } from '../workbench.ts';

export type BytesCommand =
  | { readonly do: 'upstream' }
  /** Sends bytes on each connection, as many as are under way at most, and reads them back. */
  | {
      readonly do: 'echo';
      readonly port: number;
      readonly connections: number;
      readonly seconds: number;
    };

export interface BytesReply {
  readonly port?: number;
  /** That came back. */
  readonly bytes?: number;
  readonly errors?: number;
  readonly seconds?: number;
}

const program = fileURLToPath(new URL('bytes-program.ts', import.meta.url));

export class BytesDriver {
  private readonly program: LineProgram;

  /** `behind`: lets the other programs of the bench go first, for load whose own time does not count. */
  constructor(workbench: Workbench, behind = false) {
    this.program = new LineProgram(workbench, { ...nodeProgram(program, behind), processor: 'load' });
  }

  async run(command: BytesCommand): Promise<BytesReply> {
    return (await this.program.ask(command)) as BytesReply;
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}
