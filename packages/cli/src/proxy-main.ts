/** The proxy alone, for images and bundles that need no other command: `node proxy-main.ts [flags]`. */
import { isMainThread } from 'node:worker_threads';
import { runProxy } from './commands/proxy-command.ts';
import { runMain } from './run-main.ts';

// A bundle is one file: the threads of `--workers` begin here too.
if (!isMainThread) await (await import('@weft/proxy')).serveAsWorker();
else await runMain((terminal) => runProxy(process.argv.slice(2), terminal));
