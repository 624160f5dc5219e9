/**
 * `npm run test:cluster`: what only a real Kubernetes proves. `-- --api-only` is the half that needs an API server and no
 * node; `-- --outage-minutes 60` is only the test without a control plane, for so long. The cluster is that of `WEFT_TEST_KUBECONFIG`, which must be one that may be broken; without it the one of
 * `machine/`, started for the run and stopped after it (`machine/build` makes its programs once).
 *
 * The other half makes the image and gives it to the node of `machine/`. A cluster of your own must be able to start the images
 * `WEFT_TEST_IMAGE` (Weft) and `WEFT_TEST_NODE_IMAGE` (anything with Node), and this machine must reach its pods' addresses.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const given = process.env['WEFT_TEST_KUBECONFIG'] ?? '';
const isApiOnly = process.argv.includes('--api-only');
const outageAt = process.argv.indexOf('--outage-minutes');
const outageMinutes = outageAt < 0 ? 0 : Number(process.argv[outageAt + 1]);
const machine = join(import.meta.dirname, 'machine');
const state =
  process.env['WEFT_CLUSTER_STATE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft-cluster');

if (!(outageMinutes >= 0 && outageMinutes <= 1_440)) {
  process.stderr.write('--outage-minutes takes a number of minutes, such as 60\n');
  process.exit(2);
}

if (isApiOnly && outageMinutes > 0) {
  process.stderr.write('--outage-minutes needs a node, and --api-only starts none; give one of them\n');
  process.exit(2);
}

/** Five seconds apart. */
const UNINSTALL_TRIES = 12;

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): number {
  return spawnSync(program, args, { stdio: 'inherit', env, timeout: 1_800_000 + outageMinutes * 60_000 }).status ?? 1;
}

if (given === '' && !existsSync(join(state, 'bin', 'kube-apiserver'))) {
  process.stderr.write(
    `no cluster to test with: run ${join(machine, 'build')} once (8 minutes), or give WEFT_TEST_KUBECONFIG\n`,
  );
  process.exit(2);
}
const isOurs = given === '' && !existsSync(join(state, 'run', 'kube-apiserver.pid'));
if (given === '' && run(join(machine, 'up'), isApiOnly ? ['--bare'] : []) !== 0) process.exit(1);
// A test begins without Gateway API, and others leave it.
if (given === '' && run(join(machine, 'gateway-api'), ['remove']) !== 0) {
  if (isOurs) run(join(machine, 'down'), []);
  process.exit(1);
}
const version = '0.1.0';
let image = process.env['WEFT_TEST_IMAGE'] ?? '';
if (!isApiOnly && given === '' && image === '') {
  const root = join(import.meta.dirname, '..', '..');
  if (run(process.execPath, [join(root, 'deploy', 'image', 'main.ts')]) !== 0) process.exit(1);
  const file = join(root, 'dist', 'image', `weft-${version}-linux-amd64.oci.tar`);
  const socket = join(state, 'run', 'containerd.sock');
  if (run(join(state, 'bin', 'ctr'), ['-a', socket, '-n', 'k8s.io', 'images', 'import', file]) !== 0) process.exit(1);
  image = `weft:${version}`;
}
const kubeconfig = given === '' ? join(state, 'kubeconfig') : given;
const all = ['chart.test.ts', 'api/*.test.ts', ...(isApiOnly ? [] : ['node/*.test.ts'])];
const chosen = outageMinutes > 0 ? ['node/control-outage.test.ts'] : all;
const suites = chosen.map((name) => join(import.meta.dirname, name));
const helm = join(state, 'bin', 'helm');
const failed = run(process.execPath, ['--test', '--test-concurrency=1', '--test-force-exit', ...suites], {
  ...process.env,
  WEFT_TEST_KUBECONFIG: kubeconfig,
  WEFT_TEST_IMAGE: image,
  ...(existsSync(helm) && process.env['WEFT_HELM'] === undefined ? { WEFT_HELM: helm } : {}),
  ...(outageMinutes > 0 ? { WEFT_TEST_CONTROL_OUTAGE_SECONDS: `${outageMinutes * 60}` } : {}),
  // The node of `machine/` is this machine.
  ...(given === '' && !isApiOnly
    ? { WEFT_TEST_CNI_BIN: join(state, 'bin'), WEFT_TEST_CNI_CONF: join(state, 'data', 'cni.d') }
    : {}),
});
// The next run's half without a node shall find no control plane that answers for its objects.
if (!isApiOnly) {
  const cli = join(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts');
  // It refuses while pods have sidecars: those of the last test are still ending.
  for (let tries = 0; tries < UNINSTALL_TRIES; tries += 1) {
    if (run(process.execPath, [cli, 'uninstall', '--kubeconfig', kubeconfig]) === 0) break;
    await sleep(5_000);
  }
}
if (isOurs) run(join(machine, 'down'), []);
process.stdout.write(
  `ran ${outageMinutes > 0 ? 'the outage' : isApiOnly ? 'the API server half' : 'all of it'} against ${kubeconfig}\n`,
);
process.exit(failed);
