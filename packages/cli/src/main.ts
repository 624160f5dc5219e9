/** `weft`: every process of Weft starts here. Each command loads what it needs and nothing else. */
import { runMain } from './run-main.ts';

const [command, ...rest] = process.argv.slice(2);

await runMain(async (terminal) => {
  if (command === 'proxy' || (command === 'help' && rest[0] === 'proxy')) {
    const { runProxy } = await import('./commands/proxy-command.ts');
    return runProxy(command === 'help' ? ['--help'] : rest, terminal);
  }
  const { runCommandLine } = await import('./command-line.ts');
  return runCommandLine(process.argv.slice(2), terminal);
});
