import { Command, Option } from 'commander';
import { exitCodes } from '../exit-code.ts';
import { nodeWarning } from '../node-release.ts';
import { writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import { paint } from '../output/terminal.ts';
import { weftVersion } from '../weft-version.ts';
import type { Finish } from './finish.ts';

interface CheckOptions {
  readonly output: 'table' | 'json' | 'yaml' | 'sarif';
  readonly strict: boolean;
}

/** `weft check`: files as the control plane would take them, without one. */
export function checkCommand(terminal: Terminal, finish: Finish): Command {
  return new Command('check')
    .description('say what is wrong with configuration files, where, and what to do; needs no control plane')
    .argument('<path...>', 'folders (searched for .yaml, .yml and .json) or files')
    .addOption(
      new Option('-o, --output <format>', 'how to say it').choices(['table', 'json', 'yaml', 'sarif']).default('table'),
    )
    .option('--strict', 'exit 1 for warnings too', false)
    .addHelpText(
      'after',
      `
Exit code: 0 when every object would be taken, 1 when one would be refused, 2 when a path cannot be read.

Examples:
  weft check ./mesh
  weft check --strict ./mesh ./team-a/routes.yaml
  weft check -o sarif ./mesh > weft.sarif     # for the code scanning of a code host`,
    )
    .action(async (paths: string[], options: CheckOptions) => finish(await check(paths, options, terminal)));
}

async function check(paths: readonly string[], { output, strict }: CheckOptions, terminal: Terminal) {
  const [{ readConfigFiles }, { checkFiles, formatFinding }] = await Promise.all([
    import('../check/config-files.ts'),
    import('../check/finding.ts'),
  ]);
  const result = checkFiles(readConfigFiles(paths));
  const { findings, files, objects } = result;
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  if (output === 'table') {
    for (const finding of findings) {
      terminal.out(
        `${paint(formatFinding(finding), finding.severity === 'error' ? 'red' : 'yellow', terminal.coloured)}\n`,
      );
    }
    const found = findings.length === 0 ? 'nothing wrong' : `${count(errors, 'error')}, ${count(warnings, 'warning')}`;
    terminal.out(`${count(objects, 'object')} in ${count(files, 'file')}: ${found}\n`);
  } else if (output === 'sarif') {
    const { sarifReport } = await import('../check/sarif-report.ts');
    terminal.out(await writeStructured(sarifReport(result, weftVersion), 'json'));
  } else terminal.out(await writeStructured({ files, objects, errors, warnings, findings }, output));
  const warning = nodeWarning(process.versions.node);
  if (warning !== '') terminal.err(`weft: ${warning}\n`);
  return errors > 0 || (strict && warnings > 0) ? exitCodes.unwell : exitCodes.ok;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
