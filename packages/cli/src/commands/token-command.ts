import { Command } from 'commander';
import { readDurationMs } from '@weft/kernel';
import { adminSocketOption, answerOf, withLocalControl } from '../admin-connection.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { humaneUntil } from '../output/humane-time.ts';
import { type OutputFormat, writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';
import { outputOption } from './output-option.ts';

interface TokenOptions {
  readonly service: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly lifetime: string;
  readonly adminSocket: string;
  readonly output: OutputFormat;
}

/** `weft token create`: lets one workload of another machine, or of a supervisor's making, join once. */
export function tokenCommand(terminal: Terminal, finish: Finish): Command {
  const create = new Command('create')
    .description('create a join token: one workload, one use, 10 minutes; it pins the root of the mesh')
    .requiredOption('--service <name>', 'Service, WorkloadEntry or Gateway the workload stands for')
    .option('--namespace <name>', 'its namespace', 'default')
    .option('--service-account <name>', 'account its identity is for (default: as the service)', '')
    .option('--lifetime <duration>', 'how long it can be used (default: 10m)', '')
    .addOption(adminSocketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
The token alone goes to standard output. It is a secret until it is used.

Examples:
  weft token create --service cart
  weft token create --service cart > cart.token && scp cart.token other-machine:
  weft token create --namespace shop --service edge -o json`,
    )
    .action(async (options: TokenOptions) => {
      await createToken(options, terminal);
      finish(exitCodes.ok);
    });
  return new Command('token').description('join tokens for workloads').addCommand(create);
}

async function createToken(options: TokenOptions, terminal: Terminal): Promise<void> {
  const { service, namespace, serviceAccount, lifetime, adminSocket, output } = options;
  const lifetimeMs = lifetime === '' ? 0 : (readDurationMs(lifetime) ?? 0);
  if (lifetime !== '' && lifetimeMs === 0) {
    throw new CommandFault(exitCodes.usage, `--lifetime "${lifetime}": expected a duration, such as 10m`);
  }
  const created = await withLocalControl(adminSocket, async (admin) =>
    answerOf(await admin.createToken({ namespace, service, serviceAccount, lifetimeMs })),
  );
  if (output !== 'table') {
    const expiresAt = new Date(created.expiresAtMs).toISOString();
    terminal.out(await writeStructured({ token: created.token, workload: created.workload, expiresAt }, output));
    return;
  }
  terminal.out(`${created.token}\n`);
  terminal.err(`weft: for ${created.workload}, one use, ends in ${humaneUntil(created.expiresAtMs, Date.now())}\n`);
}
