/** A Weft of an earlier commit, beside this one: a work tree of its own with what its lock file names. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Release } from './releases.ts';

/** What is started as `weft`. */
export interface Weft {
  readonly label: string;
  readonly bin: string;
  /** Of its sources. */
  readonly root: string;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

export const presentWeft: Weft = { label: 'present', bin: join(root, 'packages/cli/bin/weft.cjs'), root };

/** Makes it below `folder`; the reason when this clone does not hold the commit. */
export function makeOlderWeft({ version, commit }: Release, folder: string): Weft {
  const tree = join(folder, `weft-${version}`);
  run('git', ['-C', root, 'worktree', 'add', '--detach', '--force', tree, commit]);
  // What a release was made with, not what this one has: a library may have changed the bytes too.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], tree);
  return { label: version, bin: join(tree, 'packages/cli/bin/weft.cjs'), root: tree };
}

export function removeOlderWeft({ root: tree }: Weft): void {
  if (tree === root || !existsSync(tree)) return;
  rmSync(tree, { recursive: true, force: true });
  spawnSync('git', ['-C', root, 'worktree', 'prune']);
}

function run(command: string, args: readonly string[], cwd = root): void {
  const done = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (done.status === 0) return;
  throw new Error(
    `${command} ${args.slice(0, 4).join(' ')} failed: ${(done.stderr || done.error?.message || '').trim().slice(-600)}`,
  );
}
