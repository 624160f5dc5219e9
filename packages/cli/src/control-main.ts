/** The control plane alone, for images and bundles that need no other command: `node control-main.ts [flags]`. */
import { runCommandLine } from './command-line.ts';
import { runMain } from './run-main.ts';

await runMain((terminal) => runCommandLine(['control', ...process.argv.slice(2)], terminal));
