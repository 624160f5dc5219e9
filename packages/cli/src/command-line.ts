import { Command } from 'commander';
import { captureCommand } from './commands/capture-command.ts';
import { checkCommand } from './commands/check-command.ts';
import { cniCommand } from './commands/cni-command.ts';
import { controlCommand } from './commands/control-command.ts';
import { dashboardCommand } from './commands/dashboard-command.ts';
import { diffCommand } from './commands/diff-command.ts';
import { explainCommand } from './commands/explain-command.ts';
import { getCommand } from './commands/get-command.ts';
import { injectCommand } from './commands/inject-command.ts';
import { installCommand, uninstallCommand } from './commands/install-command.ts';
import { runCommand } from './commands/run-command.ts';
import { simulateCommand } from './commands/simulate-command.ts';
import { statusCommand } from './commands/status-command.ts';
import { tapCommand } from './commands/tap-command.ts';
import { tokenCommand } from './commands/token-command.ts';
import { edgesCommand, routesCommand, statCommand, topCommand } from './commands/traffic-commands.ts';
import { versionCommand } from './commands/version-command.ts';
import { whyCommand } from './commands/why-command.ts';
import { type ExitCode, exitCodes } from './exit-code.ts';
import type { Terminal } from './output/terminal.ts';
import { runProgram } from './program-run.ts';
import { weftVersion } from './weft-version.ts';

const examples = `
Exit codes: 0 all is well; 1 the thing asked about is not; 2 not typed right; 3 whoever should answer is not there.
NO_COLOR=1 switches colours off; they are shown on terminals only.

Start here:
  weft control --config ./mesh                           # a folder of YAML, served to sidecars
  weft run --service cart --port 8080 -- python3 cart.py # a program with a sidecar beside it
  weft status                                            # who is there, and is up to date`;

/**
 * Runs the command that `args` (without node and script) name and resolves with its exit code. Throws a `CommandFault` for
 * the one line that ends a command early. `weft proxy` does not come this way (main.ts).
 */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok;
  const finish = (ended: ExitCode): void => void (code = ended);
  const program = new Command('weft')
    .description('A service mesh: sidecar, gateway and control plane')
    .version(weftVersion, '-V, --version', 'show the version of Weft')
    .addHelpText('after', examples)
    .enablePositionalOptions();
  program.addCommand(controlCommand(terminal, finish));
  program.addCommand(runCommand(terminal, finish));
  program.addCommand(statusCommand(terminal, finish));
  program.addCommand(dashboardCommand(terminal, finish));
  program.addCommand(getCommand(terminal, finish));
  program.addCommand(whyCommand(terminal, finish));
  program.addCommand(topCommand(terminal, finish));
  program.addCommand(statCommand(terminal, finish));
  program.addCommand(edgesCommand(terminal, finish));
  program.addCommand(routesCommand(terminal, finish));
  program.addCommand(tapCommand(terminal, finish));
  program.addCommand(tokenCommand(terminal, finish));
  program.addCommand(checkCommand(terminal, finish));
  program.addCommand(explainCommand(terminal, finish));
  program.addCommand(diffCommand(terminal, finish));
  program.addCommand(simulateCommand(terminal, finish));
  program.addCommand(installCommand(terminal, finish));
  program.addCommand(uninstallCommand(terminal, finish));
  program.addCommand(injectCommand(terminal, finish));
  program.addCommand(captureCommand(terminal, finish));
  program.addCommand(cniCommand(terminal, finish));
  // Only named here, for --help; its own reader is in main.ts.
  program.addCommand(new Command('proxy').description('the sidecar or gateway process itself; see weft proxy --help'));
  program.addCommand(versionCommand(terminal, finish));
  return (await runProgram(program, args, terminal)) ?? code;
}
