import { CommandFault, type ExitCode, exitCodes } from './exit-code.ts';
import { type Terminal, processTerminal } from './output/terminal.ts';

/** Runs one command as this process: its fault becomes one line, its exit code that of the process. */
export async function runMain(command: (terminal: Terminal) => Promise<ExitCode>): Promise<void> {
  // A reader that has seen enough (`weft status | head -1`) is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.ok);
    throw error;
  });
  const terminal = processTerminal();
  const code = await command(terminal).catch((error: unknown): ExitCode => {
    if (!(error instanceof CommandFault)) throw error;
    terminal.err(`weft: ${error.message}\n`);
    return error.exitCode;
  });
  // Sockets that linger are nobody's any more.
  process.exit(code);
}
