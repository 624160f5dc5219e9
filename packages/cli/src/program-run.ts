import { type Command, CommanderError } from 'commander';
import { type ExitCode, exitCodes } from './exit-code.ts';
import type { Terminal } from './output/terminal.ts';

/** Runs the command of `program` that `args` name: prints on `terminal`, never ends the process. Undefined when it has run. */
export async function runProgram(
  program: Command,
  args: readonly string[],
  terminal: Terminal,
): Promise<ExitCode | undefined> {
  for (const command of [program, ...allUnder(program)]) {
    command
      .exitOverride()
      .showHelpAfterError(`(see ${nameOf(command)} --help)`)
      .showSuggestionAfterError(true)
      .configureOutput({
        writeOut: (text) => terminal.out(text),
        writeErr: (text) => terminal.err(text),
        outputError: (text, write) => write(text.replace(/^error: /, 'weft: ')),
      });
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version that were asked for end with 0; help in place of a forgotten command does not.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  return undefined;
}

function allUnder(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allUnder(child)]);
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}
