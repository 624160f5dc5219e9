/** `weft`: every process of Weft starts here. Each command loads what it needs and nothing else. */
import { isMainThread } from 'node:worker_threads';
import { runMain } from './run-main.ts';

const [command, ...rest] = process.argv.slice(2);

// A bundle is one file: the threads of `weft proxy --workers` begin here too.
if (!isMainThread) await (await import('@weft/proxy')).serveAsWorker();
else
  await runMain(async (terminal) => {
    if (command === 'proxy' || (command === 'help' && rest[0] === 'proxy')) {
      const { runProxy } = await import('./commands/proxy-command.ts');
      return runProxy(command === 'help' ? ['--help'] : rest, terminal);
    }
    const { runCommandLine } = await import('./command-line.ts');
    return runCommandLine(process.argv.slice(2), terminal);
  });
