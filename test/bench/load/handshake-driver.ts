/** Speaks to handshake-program.ts, one command at a time. */
import { fileURLToPath } from 'node:url';
import { LineProgram } from '../line-program.ts';
import type { Workbench } from '../workbench.ts';

/** New connections one after the other on some lanes, one request over each. */
export interface HandshakeCommand {
  readonly port: number;
  readonly host: string;
  readonly lanes: number;
  readonly seconds: number;
  readonly root: string;
  /** Absent: the client shows none. */
  readonly certificate?: string;
  readonly key?: string;
  readonly protocols: readonly string[];
  /** With the session of an earlier connection; one that was not resumed is an error. */
  readonly resume: boolean;
}

export interface HandshakeReply {
  readonly completed: number;
  readonly errors: number;
  readonly lastError: string;
  readonly seconds: number;
}

const program = fileURLToPath(new URL('handshake-program.ts', import.meta.url));

export class HandshakeDriver {
  private readonly program: LineProgram;

  constructor(workbench: Workbench) {
    this.program = new LineProgram(workbench, { command: process.execPath, args: [program], processor: 'load' });
  }

  async run(command: HandshakeCommand): Promise<HandshakeReply> {
    return (await this.program.ask(command)) as HandshakeReply;
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}
