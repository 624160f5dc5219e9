/** `weft capture` alone, for bundles: it runs once in each pod that starts, and loads a tenth of what `weft` does. */
import { Command } from 'commander';
import { captureCommand } from './commands/capture-command.ts';
import { type ExitCode, exitCodes } from './exit-code.ts';
import { runProgram } from './program-run.ts';
import { runMain } from './run-main.ts';

await runMain(async (terminal) => {
  let code: ExitCode = exitCodes.ok;
  const program = new Command('weft').addCommand(captureCommand(terminal, (ended) => void (code = ended)));
  return (await runProgram(program, ['capture', ...process.argv.slice(2)], terminal)) ?? code;
});
