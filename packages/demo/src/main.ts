/** `npm run demo`: a whole mesh on this machine, in processes of its own, with traffic; `--check` measures its promises. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check } from './check.ts';
import { readDemoOptions } from './demo-options.ts';
import type { DemoOptions } from './demo-options.ts';
import { ProcessSupervisor } from './process-supervisor.ts';
import { show } from './show.ts';

const help = `Usage: npm run demo [-- options]

Starts a mesh on this machine: a control plane, an edge gateway, five services (HTTP/1.1, gRPC) and a database (Redis where
there is one) with a sidecar beside each instance, and a load generator. Everything listens on free loopback ports; Ctrl-C ends it and leaves nothing behind.

Options:
  --check         measure what the mesh promises, print the facts, exit with 0 if all hold and 1 if not (about 80 s)
  --only TEXT     with --check: only facts whose name contains TEXT
  --seconds N     end by itself after so many seconds
  --keep          keep the folder with configuration, state and logs
  --help          show this

Keys, in a terminal: b breaks a service, s makes one slow, k kills the control plane or starts it again, c shifts the
canary, q quits. NO_COLOR=1 switches colours off.
`;

const options = readDemoOptions(process.argv.slice(2));
if (!options.ok) {
  process.stderr.write(`${options.error}; see npm run demo -- --help\n`);
  process.exit(2);
}
if (options.value.help) process.stdout.write(help);
else process.exit(await run(options.value));

async function run({ isCheck, only, keep, seconds }: DemoOptions): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-demo-'));
  const supervisor = new ProcessSupervisor(folder, keep);
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const interrupted = new Promise<number>((resolve) => {
    process.once('SIGINT', () => resolve(130));
    process.once('SIGTERM', () => resolve(143));
    process.once('SIGHUP', () => resolve(129));
  });
  const work = isCheck
    ? check(supervisor, only, say).then((good) => (good ? 0 : 1))
    : show(supervisor, say, seconds).then(() => 0);
  let code = 1;
  try {
    code = await Promise.race([work, interrupted]);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
  } finally {
    // What is interrupted rejects when its processes end; that is no news.
    work.catch(() => {});
    await supervisor.stopAll(keep);
  }
  if (keep) say(`kept: ${folder}`);
  return code;
}
