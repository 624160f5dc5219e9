/**
 * `npm run test:cluster`: what only a real Kubernetes proves. `-- --api-only` is the half that needs an API server and no
 * node. The cluster is that of `WEFT_TEST_KUBECONFIG`, which must be one that may be broken; without it the one of
 * `machine/`, started for the run and stopped after it (`machine/build` makes its programs once).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const given = process.env['WEFT_TEST_KUBECONFIG'] ?? '';
const isApiOnly = process.argv.includes('--api-only');
const machine = join(import.meta.dirname, 'machine');
const state =
  process.env['WEFT_CLUSTER_STATE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft-cluster');

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): number {
  return spawnSync(program, args, { stdio: 'inherit', env, timeout: 1_800_000 }).status ?? 1;
}

if (given === '' && !existsSync(join(state, 'bin', 'kube-apiserver'))) {
  process.stderr.write(
    `no cluster to test with: run ${join(machine, 'build')} once (8 minutes), or give WEFT_TEST_KUBECONFIG\n`,
  );
  process.exit(2);
}
const isOurs = given === '' && !existsSync(join(state, 'run', 'kube-apiserver.pid'));
if (given === '' && run(join(machine, 'up'), isApiOnly ? ['--bare'] : []) !== 0) process.exit(1);
const kubeconfig = given === '' ? join(state, 'kubeconfig') : given;
const suites = [join(import.meta.dirname, 'chart.test.ts'), join(import.meta.dirname, 'api', '*.test.ts')];
if (!isApiOnly) suites.push(join(import.meta.dirname, 'node', '*.test.ts'));
const failed = run(process.execPath, ['--test', '--test-concurrency=1', '--test-force-exit', ...suites], {
  ...process.env,
  WEFT_TEST_KUBECONFIG: kubeconfig,
});
if (isOurs) run(join(machine, 'down'), []);
process.stdout.write(`ran ${isApiOnly ? 'the API server half' : 'all of it'} against ${kubeconfig}\n`);
process.exit(failed);
