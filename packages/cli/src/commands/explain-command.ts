import { Command, Option } from 'commander';
import type { Explanation } from '@weft/analysis';
import { type ControlFlags, withControlFlags } from '../control-place.ts';
import { CommandFault, type ExitCode, exitCodes } from '../exit-code.ts';
import { writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';

interface ExplainOptions extends ControlFlags {
  readonly from: string;
  readonly proxy: string;
  readonly gateway: boolean;
  readonly namespace: string;
  readonly config: readonly string[];
  readonly header: readonly string[];
  readonly output: 'text' | 'json' | 'yaml';
}

/** `weft explain`: where a request would go, and why, without sending it. */
export function explainCommand(terminal: Terminal, finish: Finish): Command {
  const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];
  return withControlFlags(new Command('explain'))
    .description('say where a request would go, and why, without sending anything')
    .argument('<method>', 'GET, POST, …')
    .argument('<url>', 'http://orders/items?page=2, as the application would call it')
    .requiredOption('--from <name>', 'the workload that calls: cart or shop/cart; with --gateway, a Gateway')
    .option('--proxy <name>', 'the running proxy to ask: cart-x7 or shop/cart-x7 (default: any of --from)', '')
    .option('--gateway', 'the request comes to a Gateway from outside', false)
    .option('-n, --namespace <name>', 'of --from where it names none and files do not tell', '')
    .option('-H, --header <field>', "a header, as 'name: value'; may stand several times", collect, [])
    .option(
      '-c, --config <path>',
      'ask folders or files instead of a running proxy; may stand several times',
      collect,
      [],
    )
    .addOption(new Option('-o, --output <format>', 'how to say it').choices(['text', 'json', 'yaml']).default('text'))
    .addHelpText(
      'after',
      `
Without --config a proxy of the caller, or the one that --proxy names, is asked for what it holds at this moment. It is decided by the same code that
decides for traffic. A gRPC call is a POST to /package.Service/Method with the header content-type: application/grpc.

Exit code: 0 when it would be forwarded or answered, 1 when it would be refused, 2 when the request cannot be sent.

Examples:
  weft explain --from web GET http://orders/items
  weft explain --proxy web-x7 --from web GET http://orders/items
  weft explain --from web GET http://orders/items -H 'x-version: 2' --config ./mesh
  weft explain --from edge --gateway GET http://shop.example/cart --config ./mesh
  weft explain --from shop/web POST http://prices:9000/shop.v1.Prices/Get -H 'content-type: application/grpc'`,
    )
    .action(async (method: string, url: string, options: ExplainOptions) => {
      finish(await explain(method, url, options, terminal));
    });
}

async function explain(method: string, url: string, options: ExplainOptions, terminal: Terminal): Promise<ExitCode> {
  const { explanationText, readAskedRequest } = await import('@weft/analysis');
  const asked = readAskedRequest(method, url, options.header);
  if (!asked.ok) throw new CommandFault(exitCodes.usage, asked.error);
  if (options.proxy !== '' && options.config.length > 0) {
    throw new CommandFault(exitCodes.usage, '--proxy asks a running proxy and --config files: give one of them');
  }
  const { explainByFiles, explainByProxy } = await import('../explain/explain-source.ts');
  const { explanation, sources } =
    options.config.length > 0
      ? explainByFiles(asked.value, options, terminal)
      : await explainByProxy(asked.value, options, terminal);
  if (options.output === 'text') terminal.out(explanationText(explanation, sources));
  else terminal.out(await writeStructured({ ...explanation, sources }, options.output));
  return isRefused(explanation) ? exitCodes.unwell : exitCodes.ok;
}

function isRefused({ way, record }: Explanation): boolean {
  if (way.kind === 'refused' || record?.outcome === 'refuse') return true;
  // Forwarding that can only end in a refusal is one.
  return (
    record?.outcome === 'draw' && record.backends.every(({ share, refused }) => share === 0 || refused !== undefined)
  );
}
