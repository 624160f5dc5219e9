import { Command } from 'commander';
import { exitCodes } from '../exit-code.ts';
import { nodeWarning } from '../node-release.ts';
import { type OutputFormat, writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import { weftVersion } from '../weft-version.ts';
import type { Finish } from './finish.ts';
import { outputOption } from './output-option.ts';

/** `weft version`: of Weft, and of the Node it runs on, which carries the mesh's TLS. */
export function versionCommand(terminal: Terminal, finish: Finish): Command {
  return new Command('version')
    .description('show the versions of Weft, Node and OpenSSL')
    .addOption(outputOption())
    .addHelpText('after', '\nExamples:\n  weft version\n  weft version -o json')
    .action(async ({ output }: { output: OutputFormat }) => {
      const { node, openssl } = process.versions;
      const warning = nodeWarning(node);
      if (output === 'table') terminal.out(`weft ${weftVersion}\nnode ${node}\nopenssl ${openssl}\n`);
      else terminal.out(await writeStructured({ weft: weftVersion, node, openssl, warning }, output));
      if (warning !== '') terminal.err(`weft: ${warning}\n`);
      finish(exitCodes.ok);
    });
}
