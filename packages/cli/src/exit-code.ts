import { uncapturedExitCode } from '@weft/injection';

/** What a `weft` command ends with. Part of its interface: scripts and CI rely on the numbers. */
export const exitCodes = {
  ok: 0,
  /** The thing asked about is not well: a problem in a file, a proxy that is lost, a start that failed. */
  unwell: 1,
  /** The command was not typed right. */
  usage: 2,
  /** Whoever should answer is not there: no control plane, no such proxy. */
  unreachable: 3,
  /** A proxy found that traffic is not led through it as it should be. */
  uncaptured: uncapturedExitCode,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends a command. The message is one line for a person that says what is wrong and what to do; it is all they see. */
export class CommandFault extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
