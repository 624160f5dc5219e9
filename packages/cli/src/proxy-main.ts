/** The proxy alone, for images and bundles that need no other command: `node proxy-main.ts [flags]`. */
import { runProxy } from './commands/proxy-command.ts';
import { runMain } from './run-main.ts';

await runMain((terminal) => runProxy(process.argv.slice(2), terminal));
