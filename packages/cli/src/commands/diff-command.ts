import { Command, Option } from 'commander';
import { type ExitCode, exitCodes } from '../exit-code.ts';
import { writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';

interface DiffOptions {
  readonly output: 'text' | 'json' | 'yaml';
  readonly exitCode: boolean;
}

/** `weft diff`: what a change of configuration changes in behaviour. */
export function diffCommand(terminal: Terminal, finish: Finish): Command {
  return new Command('diff')
    .description('say what changes in behaviour between two configurations, not in text')
    .argument('<before>', 'folder or file as it is')
    .argument('<after>', 'folder or file as it shall be')
    .addOption(new Option('-o, --output <format>', 'how to say it').choices(['text', 'json', 'yaml']).default('text'))
    .option('--exit-code', 'exit 1 when anything changes', false)
    .addHelpText(
      'after',
      `
Rules are compared by the requests that reach them: one that is renamed, moved without effect, or written otherwise and does
the same is no change. Objects that would be refused are left out, as they would be when served; see weft check.

Exit code: 0, with --exit-code 1 when something changes, 2 when a path cannot be read.

Examples:
  weft diff ./mesh ./mesh-next
  git worktree add ../main main && weft diff ../main/mesh ./mesh
  weft diff --exit-code -o json ./mesh ./mesh-next`,
    )
    .action(async (before: string, after: string, options: DiffOptions) => {
      finish(await diff(before, after, options, terminal));
    });
}

async function diff(
  before: string,
  after: string,
  { output, exitCode }: DiffOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const [{ diffMeshes, diffText }, { readModel }] = await Promise.all([
    import('@weft/analysis'),
    import('../explain/config-model.ts'),
  ]);
  const changes = diffMeshes(readModel([before], terminal), readModel([after], terminal));
  terminal.out(output === 'text' ? diffText(changes) : await writeStructured({ changes }, output));
  return exitCode && changes.length > 0 ? exitCodes.unwell : exitCodes.ok;
}
