import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { adminSocketOption, answerOf, withControlPlane } from '../admin-connection.ts';
import { exitCodes } from '../exit-code.ts';
import { type OutputFormat, writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';
import { outputOption } from './output-option.ts';

interface DashboardCommandOptions {
  readonly open: boolean;
  readonly adminSocket: string;
  readonly output: OutputFormat;
}

/** `weft dashboard`: the address of the dashboard with what lets one in; opens it where there is a browser. */
export function dashboardCommand(terminal: Terminal, finish: Finish): Command {
  return new Command('dashboard')
    .description('show the address of the dashboard, and open it')
    .option('--no-open', 'only show the address')
    .addOption(adminSocketOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
The address ends in a token: who has it sees all of the mesh, and can change nothing. It is the part after #, which no
browser sends to a server.

Examples:
  weft dashboard
  weft dashboard --no-open
  ssh -L 15080:127.0.0.1:15080 HOST   # then the same address here`,
    )
    .action(async ({ open, adminSocket, output }: DashboardCommandOptions) => {
      const { address, token } = await withControlPlane(adminSocket, async (admin) =>
        answerOf(await admin.getDashboard(), adminSocket),
      );
      const url = `${address}/#token=${token}`;
      if (output !== 'table') terminal.out(await writeStructured({ url, address, token }, output));
      else {
        terminal.out(`${url}\n`);
        if (open && process.stdout.isTTY === true) openInBrowser(url);
      }
      finish(exitCodes.ok);
    });
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
