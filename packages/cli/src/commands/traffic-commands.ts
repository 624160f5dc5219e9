import { Command, Option } from 'commander';
import type { GetTrafficResponse } from '@weft/wire';
import { readDurationMs } from '@weft/kernel';
import { answerOf, withControlPlane } from '../admin-connection.ts';
import type { ControlAdmin } from '../control-admin.ts';
import { type ControlFlags, withControlFlags } from '../control-place.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { type TrafficTable, edgesTable, routesTable, statTable } from '../observe/traffic-table.ts';
import { replicaNote } from '../output/replica-note.ts';
import { type OutputFormat, writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import { writeTable } from '../output/text-table.ts';
import type { Finish } from './finish.ts';
import { outputOption } from './output-option.ts';

interface TrafficOptions extends ControlFlags {
  readonly output: OutputFormat;
  readonly window: string;
  readonly namespace: string;
}

const MOST_WINDOW_MS = 1_800_000;
const REFRESH_MS = 2_000;

const figuresHelp = `
From the counters of the sidecars themselves, of the last 30 minutes at most; a change is seen within 5 seconds. Each request is
counted once, by the sidecar of its caller, or of its callee when the caller has none. A dash: nothing was measured.`;

/** `weft stat`: golden signals of each service. */
export function statCommand(terminal: Terminal, finish: Finish): Command {
  return trafficCommand('stat', 'show requests, success and latency of each service', statTable, terminal, finish);
}

/** `weft edges`: who talks to whom. */
export function edgesCommand(terminal: Terminal, finish: Finish): Command {
  return trafficCommand('edges', 'show who talks to whom, and whether over mutual TLS', edgesTable, terminal, finish);
}

/** `weft routes`: what each rule carries. */
export function routesCommand(terminal: Terminal, finish: Finish): Command {
  return trafficCommand('routes', 'show what each route and rule carries', routesTable, terminal, finish);
}

/** `weft top`: the live table. */
export function topCommand(terminal: Terminal, finish: Finish): Command {
  return withControlFlags(new Command('top'))
    .description('show the live table of services until Ctrl-C')
    .argument('[service]', 'only what comes from or goes to this one: NAME or NAMESPACE/NAME', '')
    .option('-n, --namespace <name>', 'of a service without one', 'default')
    .addOption(windowOption('10s'))
    .option('--once', 'show it once and end', false)
    .addHelpText('after', figuresHelp)
    .action(async (service: string, options: TrafficOptions & { readonly once: boolean }) => {
      await withControlPlane(options, async (admin) => {
        const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<boolean>();
        if (!options.once) process.once('SIGINT', () => interrupt(true));
        for (;;) {
          const traffic = await ask(admin, service, options);
          const clear = options.once ? '' : '\u001b[H\u001b[2J';
          terminal.out(`${clear}${describe(traffic)}\n${show(edgesTable(traffic), service, terminal)}`);
          terminal.err(replicaNote(traffic.replicas));
          if (options.once || (await Promise.race([interrupted, pause()]))) break;
        }
      });
      finish(exitCodes.ok);
    });
}

function pause(): Promise<boolean> {
  return new Promise((resolve) => void setTimeout(() => resolve(false), REFRESH_MS));
}

function trafficCommand(
  name: string,
  description: string,
  table: (traffic: GetTrafficResponse) => TrafficTable,
  terminal: Terminal,
  finish: Finish,
): Command {
  return withControlFlags(new Command(name))
    .description(description)
    .argument('[service]', 'only what comes from or goes to this one: NAME or NAMESPACE/NAME', '')
    .option('-n, --namespace <name>', 'of a service without one', 'default')
    .addOption(windowOption('1m'))
    .addOption(outputOption())
    .addHelpText(
      'after',
      `${figuresHelp}\n\nExamples:\n  weft ${name}\n  weft ${name} shop/orders --window 30m -o json`,
    )
    .action(async (service: string, options: TrafficOptions) => {
      const traffic = await withControlPlane(options, (admin) => ask(admin, service, options));
      if (options.output !== 'table') terminal.out(await writeStructured(traffic, options.output));
      else terminal.out(`${describe(traffic)}\n${show(table(traffic), service, terminal)}`);
      terminal.err(replicaNote(traffic.replicas));
      finish(exitCodes.ok);
    });
}

function windowOption(preset: string): Option {
  return new Option('--window <duration>', 'how far back, at most 30m').default(preset);
}

async function ask(admin: ControlAdmin, service: string, options: TrafficOptions): Promise<GetTrafficResponse> {
  const read = readDurationMs(options.window);
  if (read === undefined || read <= 0 || read > MOST_WINDOW_MS) {
    throw new CommandFault(
      exitCodes.usage,
      `--window "${options.window}": expected a duration up to 30m, like 90s or 5m`,
    );
  }
  const meant = service === '' || service.includes('/') ? service : `${options.namespace}/${service}`;
  return answerOf(await admin.getTraffic({ windowMs: Math.ceil(read), service: meant }));
}

function describe({ coveredMs, proxies }: GetTrafficResponse): string {
  if (proxies === 0) return 'no proxy has reported yet; they do every 5 seconds\n';
  return `${proxies} ${proxies === 1 ? 'proxy' : 'proxies'}, figures of ${Math.round(coveredMs / 1_000)} s\n`;
}

function show({ headings, rows }: TrafficTable, service: string, terminal: Terminal): string {
  const about = service === '' ? '' : ` from or to ${service}; its name, or another --window?`;
  return rows.length === 0 ? `no traffic${about}\n` : writeTable(headings, rows, terminal.coloured);
}
