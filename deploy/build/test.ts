/**
 * `npm test`: the house rules, the unit tests, the contract and simulation suites, the counters of what a request and a
 * connection cost, and the tests with real processes, with a summary at the end. Exit code 1 when one failed.
 *
 *   node deploy/build/test.ts [--only house,unit,together,counters,e2e] [--reporter dot|spec]
 *
 * Suites run one after the other: two cores are the least this must work on, and real processes measure time.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

interface Suite {
  readonly name: string;
  readonly patterns: readonly string[];
  /** Processes at a time; 0 runs all files in one. */
  readonly concurrency: number;
  /** Ends what hangs: some ten times what a machine at rest needs, since one with other work may need half of that. */
  readonly limitMinutes: number;
}

interface Outcome {
  readonly suite: Suite;
  readonly seconds: number;
  readonly ok: boolean;
  /** From the closing lines of the runner: `tests`, `pass`, `fail`, `skipped`. */
  readonly counts: ReadonlyMap<string, number>;
  readonly why: string;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
// One process per file costs a start of Node each; more than four at a time only wait for one another's disks.
const parallel = Math.max(2, Math.min(4, availableParallelism()));
const suites: readonly Suite[] = [
  { name: 'house', patterns: ['test/house/*.test.ts'], concurrency: 0, limitMinutes: 5 },
  {
    name: 'unit',
    patterns: ['packages/*/src/**/*.test.ts', 'test/bench/**/*.test.ts'],
    concurrency: parallel,
    limitMinutes: 30,
  },
  {
    name: 'together',
    patterns: ['test/contract/**/*.test.ts', 'test/sim/**/*.test.ts', 'test/conformance/**/*.test.ts'],
    concurrency: parallel,
    limitMinutes: 15,
  },
  // One at a time: each has a sidecar, a generator and an upstream of its own.
  { name: 'counters', patterns: ['test/counters/**/*.test.ts'], concurrency: 1, limitMinutes: 15 },
  // One at a time: they count failed requests and milliseconds.
  { name: 'e2e', patterns: ['test/e2e/**/*.test.ts'], concurrency: 1, limitMinutes: 40 },
];
const { values: options } = parseArgs({
  options: { only: { type: 'string', default: '' }, reporter: { type: 'string', default: 'dot' } },
});

const wanted = options.only === '' ? suites : suites.filter(({ name }) => options.only.split(',').includes(name));
if (wanted.length === 0) {
  console.error(`--only takes ${suites.map(({ name }) => name).join(', ')}, one or several with commas`);
  process.exit(2);
}
const outcomes: Outcome[] = [];
for (const suite of wanted) {
  const files = globSync([...suite.patterns], { cwd: root }).toSorted();
  if (files.length === 0) {
    console.log(`${suite.name}: no files`);
    continue;
  }
  console.log(`\n${suite.name}: ${files.length} files`);
  outcomes.push(await run(suite, files));
}
summarize(outcomes);
process.exitCode = outcomes.length > 0 && outcomes.every(({ ok }) => ok) ? 0 : 1;

async function run(suite: Suite, files: readonly string[]): Promise<Outcome> {
  const isolation = suite.concurrency === 0 ? ['--test-isolation=none'] : [`--test-concurrency=${suite.concurrency}`];
  const args = ['--test', ...isolation, `--test-reporter=${options.reporter}`, '--test-reporter-destination=stdout'];
  // The second reporter is for this program: its closing lines are counted.
  const counting = ['--test-reporter=tap', '--test-reporter-destination=stderr'];
  const startMs = performance.now();
  // A group of its own, so that a suite that hangs is ended with all its processes.
  const child = spawn(process.execPath, [...args, ...counting, ...files], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'pipe'],
    detached: true,
  });
  const counts = new Map<string, number>();
  let unfinished = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = (unfinished + text).split('\n');
    unfinished = lines.pop() ?? '';
    for (const line of lines) {
      const found = /^# (tests|pass|fail|cancelled|skipped) (\d+)$/.exec(line);
      if (found !== null) counts.set(found[1]!, Number(found[2]));
      const skipped = /^\s*ok \d+ - (.*?) # SKIP ?(.*)$/.exec(line);
      if (skipped !== null) console.log(`\nskipped: ${skipped[1]}${skipped[2] === '' ? '' : `: ${skipped[2]}`}`);
    }
  });
  let why = '';
  const limit = setTimeout(() => {
    why = `took longer than ${suite.limitMinutes} min`;
    endGroup(child.pid);
  }, suite.limitMinutes * 60_000);
  const end = (signal: NodeJS.Signals): void => {
    why = signal;
    endGroup(child.pid);
  };
  process.once('SIGINT', end).once('SIGTERM', end);
  const code = await new Promise<number | null>((resolve) => void child.once('close', resolve));
  clearTimeout(limit);
  process.removeListener('SIGINT', end).removeListener('SIGTERM', end);
  if (why === 'SIGINT' || why === 'SIGTERM') process.exit(130);
  return { suite, seconds: (performance.now() - startMs) / 1_000, ok: code === 0 && why === '', counts, why };
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}

function summarize(all: readonly Outcome[]): void {
  console.log('\n');
  const row = (cells: readonly (string | number)[]): string =>
    cells.map((cell, index) => (index === 0 ? String(cell).padEnd(10) : String(cell).padStart(8))).join('');
  console.log(row(['suite', 'tests', 'pass', 'fail', 'skipped', 'seconds']));
  const total = new Map<string, number>();
  for (const { suite, seconds, ok, counts, why } of all) {
    const of = (name: string): number => counts.get(name) ?? 0;
    const failed = of('fail') + of('cancelled');
    console.log(
      `${row([suite.name, of('tests'), of('pass'), failed, of('skipped'), seconds.toFixed(1)])}${ok ? '' : `  FAILED ${why}`}`,
    );
    for (const name of ['tests', 'pass', 'skipped']) total.set(name, (total.get(name) ?? 0) + of(name));
    total.set('fail', (total.get('fail') ?? 0) + failed);
  }
  const seconds = all.reduce((sum, outcome) => sum + outcome.seconds, 0);
  // As Node's own runner closes.
  for (const name of ['tests', 'pass', 'fail', 'skipped']) console.log(`# ${name} ${total.get(name) ?? 0}`);
  console.log(`# duration_ms ${(seconds * 1_000).toFixed(0)}`);
}
