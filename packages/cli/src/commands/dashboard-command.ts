import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { answerOf, withLocalControl } from '../admin-connection.ts';
import { type ControlFlags, chooseControl, withControlFlags } from '../control-place.ts';
import { followEndSignals } from '../end-signals.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { type OutputFormat, writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';
import { outputOption } from './output-option.ts';

interface DashboardCommandOptions extends ControlFlags {
  readonly open: boolean;
  readonly localPort: string;
  readonly output: OutputFormat;
}

/** `weft dashboard`: the address of the dashboard with what lets one in; opens it where there is a browser. */
export function dashboardCommand(terminal: Terminal, finish: Finish): Command {
  return withControlFlags(new Command('dashboard'))
    .description('show the address of the dashboard, and open it')
    .option('--no-open', 'only show the address')
    .option('--local-port <port>', 'of a cluster: port here that leads to it; 0: a free one', '0')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
The address ends in a token: who has it sees all of the mesh, and can change nothing. It is the part after #, which no
browser sends to a server. Of a cluster the dashboard is carried here, by the API server, until Ctrl-C; its token is good for
eight hours, and shows single requests to whom the role weft-tap is given.

Examples:
  weft dashboard
  weft dashboard --no-open
  weft dashboard --context production
  ssh -L 15080:127.0.0.1:15080 HOST   # then the same address here`,
    )
    .action(async (options: DashboardCommandOptions) => {
      const place = chooseControl(options, process.env);
      const show = (address: string, token: string): Promise<void> => showDashboard(address, token, options, terminal);
      if (place.type === 'socket') {
        const { address, token } = await withLocalControl(place.socket, async (admin) =>
          answerOf(await admin.getDashboard()),
        );
        await show(address, token);
      } else {
        const port = /^\d{1,5}$/.test(options.localPort) ? Number(options.localPort) : -1;
        if (port < 0 || port > 65_535) {
          throw new CommandFault(exitCodes.usage, `--local-port "${options.localPort}": expected a port, or 0`);
        }
        const { carryDashboard } = await import('../cluster/cluster-dashboard.ts');
        const { promise: ended, resolve: end } = Promise.withResolvers<void>();
        followEndSignals({ first: () => end(), second: () => process.exit(exitCodes.ok) });
        await carryDashboard(place, port, ended, async (address, token) => {
          await show(address, token);
          terminal.err('weft: until Ctrl-C\n');
        });
      }
      finish(exitCodes.ok);
    });
}

async function showDashboard(
  address: string,
  token: string,
  { open, output }: DashboardCommandOptions,
  terminal: Terminal,
): Promise<void> {
  const url = `${address}/#token=${token}`;
  if (output !== 'table') {
    terminal.out(await writeStructured({ url, address, token }, output));
    return;
  }
  terminal.out(`${url}\n`);
  if (open && process.stdout.isTTY === true) openInBrowser(url);
}

/** Where there is none, the address that was printed has to do. */
function openInBrowser(url: string): void {
  const [program, args]: [string, string[]] =
    process.platform === 'darwin'
      ? ['open', [url]]
      : process.platform === 'win32'
        ? ['rundll32', ['url.dll,FileProtocolHandler', url]]
        : ['xdg-open', [url]];
  const child = spawn(program, args, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
