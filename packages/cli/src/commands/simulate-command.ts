import { Command, Option } from 'commander';
import { CommandFault, type ExitCode, exitCodes } from '../exit-code.ts';
import { writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';

interface SimulateOptions {
  readonly log: readonly string[];
  readonly config: readonly string[];
  readonly against: readonly string[];
  readonly gateway: string;
  readonly output: 'text' | 'json' | 'yaml';
  readonly maxElsewhere: string;
}

/** `weft simulate`: what a configuration would have done with requests that were made. */
export function simulateCommand(terminal: Terminal, finish: Finish): Command {
  const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];
  return new Command('simulate')
    .description('replay an access log against a configuration: how many requests would be routed elsewhere')
    .requiredOption(
      '--log <file>',
      'access log as Weft writes it, - for standard input; may stand several times',
      collect,
      [],
    )
    .requiredOption(
      '-c, --config <path>',
      'the configuration to try: folder or file; may stand several times',
      collect,
      [],
    )
    .option('--against <path>', 'the configuration that was in force; may stand several times', collect, [])
    .option('--gateway <namespace/name>', 'whose log it is, where the configuration has several Gateways', '')
    .option('--max-elsewhere <count>', 'exit 1 when more requests than that would be routed elsewhere', '')
    .addOption(new Option('-o, --output <format>', 'how to say it').choices(['text', 'json', 'yaml']).default('text'))
    .addHelpText(
      'after',
      `
With --against two configurations are compared. Without it the rule that each line names is compared with the one that would
take the request now, by name. A log has no headers: requests whose way depends on one are undecidable, unless the rule that
took them tells it.

Exit code: 0, or 1 when more than --max-elsewhere would be routed elsewhere; 2 when a file cannot be read.

Examples:
  weft simulate --log access.log --config ./mesh-next --against ./mesh
  kubectl logs deploy/web -c weft-proxy | weft simulate --log - --config ./mesh-next
  weft simulate --log access.log --config ./mesh-next --against ./mesh --max-elsewhere 0`,
    )
    .action(async (options: SimulateOptions) => {
      finish(await simulate(options, terminal));
    });
}

async function simulate(options: SimulateOptions, terminal: Terminal): Promise<ExitCode> {
  const { log, config, against, gateway, output, maxElsewhere } = options;
  if (maxElsewhere !== '' && !/^\d{1,12}$/.test(maxElsewhere)) {
    throw new CommandFault(exitCodes.usage, `--max-elsewhere "${maxElsewhere}": expected a number from 0`);
  }
  if (gateway !== '' && !/^[^/]+\/[^/]+$/.test(gateway)) {
    throw new CommandFault(exitCodes.usage, `--gateway "${gateway}": expected namespace/name`);
  }
  const [{ LogReplay, replayText }, { readModel }, { readLog }] = await Promise.all([
    import('@weft/analysis'),
    import('../explain/config-model.ts'),
    import('../explain/log-file.ts'),
  ]);
  const replay = new LogReplay({
    next: readModel(config, terminal),
    against: against.length === 0 ? null : readModel(against, terminal),
    gateway,
  });
  for (const file of log) readLog(file, (chunk) => replay.feed(chunk));
  const report = replay.finish();
  terminal.out(output === 'text' ? replayText(report) : await writeStructured(report, output));
  return maxElsewhere !== '' && report.counts.elsewhere > Number(maxElsewhere) ? exitCodes.unwell : exitCodes.ok;
}
