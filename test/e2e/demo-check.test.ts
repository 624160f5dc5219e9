import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '@weft/testkit';

const demo = fileURLToPath(new URL('../../packages/demo/src/main.ts', import.meta.url));
const LONGEST_CHECK_MS = 1_200_000;
/** A fact is a measurement on whatever else this machine does: one that failed is asked again, alone, so often. */
const MORE_TRIES = 2;
const LONGEST_START_MS = 240_000;
/** Ends what hangs. */
const GONE_MS = 30_000;

/** Runs the demo; `react` sees each line of its output with the process. */
function runDemo(
  args: readonly string[],
  react: (line: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<{ code: number | null; signal: NodeJS.Signals | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [demo, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let seen = 0;
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      const lines = output.split('\n');
      while (seen < lines.length - 1) {
        react(lines[seen]!, (signal) => void child.kill(signal));
        seen += 1;
      }
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}

test('every fact of the demo holds', { timeout: LONGEST_CHECK_MS }, async () => {
  const { code, output } = await runDemo(['--check']);
  if (code === 0) assert.match(output, /(\d+) of \1 facts hold/);
  else assert.match(output, /\d+ of \d+ facts hold/, output);
  for (const [, fact] of output.matchAll(/^[\d.]+ s +FAILED +(.+?): /gm)) await holdsAlone(fact!, output);
});

async function holdsAlone(fact: string, first: string): Promise<void> {
  let last = first;
  for (let tries = 0; tries < MORE_TRIES; tries += 1) {
    const { code, output } = await runDemo(['--check', '--only', fact]);
    if (code === 0) return;
    last = output;
  }
  assert.fail(`"${fact}" did not hold in ${1 + MORE_TRIES} runs\n${first}\n${last}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends the demo and leaves no folder behind`, { timeout: LONGEST_START_MS }, async () => {
    const folder = await endAfterStart(signal);
    assert.equal(existsSync(folder), false, folder);
  });
}

test('a demo killed with SIGKILL leaves neither process nor folder behind', { timeout: LONGEST_START_MS }, async () => {
  const folder = await endAfterStart('SIGKILL');
  await eventually(() => !existsSync(folder), GONE_MS);
});

/** Ends the demo by a signal once traffic flows, asserts that its gateway is gone then, and gives its folder. */
async function endAfterStart(signal: NodeJS.Signals): Promise<string> {
  let folder = '';
  let url = '';
  const { output } = await runDemo(['--seconds', '180'], (line, kill) => {
    url ||= /curl (http:\S+)/.exec(line)?.[1] ?? '';
    folder ||= /(\S+)\/logs$/.exec(line)?.[1] ?? '';
    if (/ edge [\d.]+\/s /.test(line)) kill(signal);
  });
  assert.ok(url !== '' && folder !== '', output);
  assert.match(output, / edge [\d.]+\/s /);
  await eventually(
    () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    GONE_MS,
  );
  return folder;
}
