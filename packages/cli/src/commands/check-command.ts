import { Command, Option } from 'commander';
import { systemClock } from '@weft/kernel';
import { type ClusterFlags, useClient, withClusterFlags } from '../cluster/cluster-access.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { nodeWarning } from '../node-release.ts';
import { writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import { paint } from '../output/terminal.ts';
import { weftVersion } from '../weft-version.ts';
import type { Finish } from './finish.ts';

interface CheckOptions extends ClusterFlags {
  readonly cluster: boolean;
  readonly output: 'table' | 'json' | 'yaml' | 'sarif' | 'junit';
  readonly strict: boolean;
}

/** `weft check`: files as the control plane would take them, without one. */
export function checkCommand(terminal: Terminal, finish: Finish): Command {
  return withClusterFlags(new Command('check'))
    .description(
      'say what is wrong with configuration files or a cluster, where, and what to do; needs no control plane',
    )
    .argument('[path...]', 'folders (searched for .yaml, .yml and .json) or files')
    .option('--cluster', 'look at a Kubernetes cluster, before or after an installation', false)
    .addOption(
      new Option('-o, --output <format>', 'how to say it')
        .choices(['table', 'json', 'yaml', 'sarif', 'junit'])
        .default('table'),
    )
    .option('--strict', 'exit 1 for warnings too', false)
    .addHelpText(
      'after',
      `
Errors are objects that would be refused. Warnings and notes are taken, but hardly what was meant: rules that nothing
reaches, references to nothing, time-outs that cannot run out, retries that may do harm.

Exit code: 0 when every object would be taken, 1 when one would be refused (with --strict: when there is a warning, too),
2 when a path cannot be read.

Examples:
  weft check ./mesh
  weft check --strict ./mesh ./team-a/routes.yaml
  weft check --cluster
  weft check -o sarif ./mesh > weft.sarif     # for the code scanning of a code host
  weft check -o junit ./mesh > weft.xml       # for the test report of a CI system`,
    )
    .action(async (paths: string[], options: CheckOptions) => {
      if (paths.length > 0 === options.cluster) {
        throw new CommandFault(exitCodes.usage, 'give files or folders to check, or --cluster');
      }
      finish(await (options.cluster ? checkWholeCluster(options, terminal) : check(paths, options, terminal)));
    });
}

async function check(paths: readonly string[], { output, strict }: CheckOptions, terminal: Terminal) {
  const [{ readConfigFiles }, { checkFiles, formatFinding }] = await Promise.all([
    import('../check/config-files.ts'),
    import('@weft/analysis'),
  ]);
  const result = checkFiles(readConfigFiles(paths));
  const { findings, files, objects } = result;
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  const notes = findings.length - errors - warnings;
  if (output === 'table') {
    for (const finding of findings) {
      terminal.out(`${paint(formatFinding(finding), colours[finding.severity], terminal.coloured)}\n`);
    }
    const found =
      findings.length === 0
        ? 'nothing wrong'
        : [count(errors, 'error'), count(warnings, 'warning'), ...(notes > 0 ? [count(notes, 'note')] : [])].join(', ');
    terminal.out(`${count(objects, 'object')} in ${count(files, 'file')}: ${found}\n`);
  } else if (output === 'sarif') {
    const { sarifReport } = await import('../check/sarif-report.ts');
    terminal.out(await writeStructured(sarifReport(result, weftVersion), 'json'));
  } else if (output === 'junit') {
    const { junitReport } = await import('../check/junit-report.ts');
    terminal.out(junitReport(result));
  } else terminal.out(await writeStructured({ files, objects, errors, warnings, notes, findings }, output));
  const warning = nodeWarning(process.versions.node);
  if (warning !== '') terminal.err(`weft: ${warning}\n`);
  return errors > 0 || (strict && warnings > 0) ? exitCodes.unwell : exitCodes.ok;
}

async function checkWholeCluster(options: CheckOptions, terminal: Terminal) {
  const { output, strict } = options;
  if (output === 'sarif' || output === 'junit')
    throw new CommandFault(exitCodes.usage, `-o ${output} is for files; a cluster has no lines`);
  const { checkCluster } = await import('@weft/kube');
  const { namespace } = options;
  const findings = await useClient(options, (client) =>
    checkCluster({ client, namespace, wallMs: () => systemClock.wallMs() }),
  );
  if (output === 'table') {
    for (const { check: name, state, message, fix } of findings) {
      const colour = state === 'ok' ? 'green' : state === 'warning' ? 'yellow' : 'red';
      terminal.out(`${paint(state.padEnd(8), colour, terminal.coloured)}${name}: ${message}
`);
      if (fix !== '')
        terminal.out(`        ${fix}
`);
    }
  } else terminal.out(await writeStructured({ findings }, output));
  const isUnwell = findings.some(({ state }) => state === 'failed' || (strict && state === 'warning'));
  return isUnwell ? exitCodes.unwell : exitCodes.ok;
}

const colours = { error: 'red', warning: 'yellow', note: 'dim' } as const;

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
