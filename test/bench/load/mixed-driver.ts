/** Speaks to mixed-program.ts, one command at a time. */
import { fileURLToPath } from 'node:url';
import { LineProgram, nodeProgram } from '../line-program.ts';
import type { Workbench } from '../workbench.ts';

export type MixedCommand =
  /** Answers a GET with 67 bytes, that of `bulkPath` with `bulkBytes`, and anything else when its body has come whole. */
  | { readonly do: 'upstream' }
  /** Small requests at a fixed rate, whatever became of the others. */
  | {
      readonly do: 'calls';
      readonly port: number;
      readonly host: string;
      readonly rate: number;
      readonly connections: number;
      readonly seconds: number;
    }
  /** One upload and one download of `bulkBytes` at a time, again and again. */
  | {
      readonly do: 'bulk';
      readonly port: number;
      readonly host: string;
      readonly seconds: number;
    };

export const bulkPath = '/bulk';
export const bulkBytes: number = 100 * 1024 * 1024;

export interface MixedReply {
  readonly port?: number;
  /** From the moment a call was meant to leave. */
  readonly latencyMs?: readonly number[];
  readonly uploadedBytes?: number;
  readonly downloadedBytes?: number;
  readonly errors: number;
  readonly lastError?: string;
}

const program = fileURLToPath(new URL('mixed-program.ts', import.meta.url));

export class MixedDriver {
  private readonly program: LineProgram;

  /** `behind`: lets the other programs of the bench go first, for load whose own time does not count. */
  constructor(workbench: Workbench, behind = false) {
    this.program = new LineProgram(workbench, { ...nodeProgram(program, behind), processor: 'load' });
  }

  async run(command: MixedCommand): Promise<MixedReply> {
    return (await this.program.ask(command)) as MixedReply;
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}
