import { Command, Option } from 'commander';
import { readDurationMs } from '@weft/kernel';
import type { TapDirection, TapEvent, TapFilter, TappedRequest } from '@weft/wire';
import { answerOf, withControlPlane } from '../admin-connection.ts';
import { type ControlFlags, withControlFlags } from '../control-place.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { type Terminal, paint } from '../output/terminal.ts';
import type { Finish } from './finish.ts';

interface TapOptions extends ControlFlags {
  readonly output: 'line' | 'json';
  readonly path: string;
  readonly method: string;
  readonly status: string;
  readonly slower: string;
  readonly direction: 'inbound' | 'outbound' | 'both';
  readonly to: string;
  readonly maxRate: string;
  readonly for: string;
  readonly showValues: boolean;
}

/** `weft tap`: live requests. */
export function tapCommand(terminal: Terminal, finish: Finish): Command {
  return withControlFlags(new Command('tap'))
    .description('show live requests of a workload, filtered in its sidecars')
    .argument(
      '[target]',
      'svc/NAME, NAME or NAMESPACE/NAME of a workload, or the name of a proxy; all when left out',
      '',
    )
    .option('--path <prefix>', 'only paths that begin so; "=/x" only that one', '')
    .option('--method <method>', 'only this one', '')
    .option('--status <status>', '503, 5xx or 400-499', '')
    .option('--slower <duration>', 'only requests that took longer', '')
    .addOption(
      new Option('--direction <word>', 'as the sidecar sees it')
        .choices(['inbound', 'outbound', 'both'])
        .default('both'),
    )
    .option('--to <namespace/name>', 'of what is sent, only to this service', '')
    .option('--max-rate <number>', 'requests a second from each sidecar; the others are counted', '50')
    .option('--for <duration>', 'end after so long, at most 1h', '10m')
    .option('--show-values', 'show the values of fields that are no known secret', false)
    .addOption(new Option('-o, --output <format>', 'json: one object a line').choices(['line', 'json']).default('line'))
    .addHelpText(
      'after',
      `
Values of most fields are not shown, of secrets never, and queries never. Ctrl-C ends it.

Examples:
  weft tap svc/orders --path /orders --status 5xx
  weft tap shop/web --direction outbound --slower 250ms -o json`,
    )
    .action(async (target: string, options: TapOptions) => {
      const filter = readFilter(options);
      const lastsMs = durationOf('--for', options.for, 3_600_000);
      await withControlPlane(
        options,
        async (admin) => {
          const { promise, resolve, reject } = Promise.withResolvers<void>();
          const show = options.output === 'json' ? jsonLines : textLines(terminal);
          const stop = admin.tap(
            { target: target.replace(/^svc\//, ''), filter, lastsMs },
            (event) => {
              terminal.out(show(event));
              terminal.err(silences(event));
            },
            (fault) => {
              if (fault === null) resolve();
              else {
                try {
                  answerOf({ ok: false, error: fault });
                } catch (error) {
                  reject(error as Error);
                }
              }
            },
          );
          process.once('SIGINT', () => {
            stop();
            resolve();
          });
          await promise;
        },
        'requests',
      );
      finish(exitCodes.ok);
    });
}

/** Throws a `CommandFault` that says what is expected. */
export function readFilter(options: Omit<TapOptions, keyof ControlFlags>): TapFilter {
  const maxRate = Number(options.maxRate);
  if (!Number.isInteger(maxRate) || maxRate < 1 || maxRate > 1_000) {
    throw new CommandFault(exitCodes.usage, `--max-rate "${options.maxRate}": expected a number from 1 to 1000`);
  }
  const [statusFrom, statusTo] = readStatus(options.status);
  const directions: Readonly<Record<TapOptions['direction'], TapDirection>> = {
    inbound: 'Inbound',
    outbound: 'Outbound',
    both: 'Both',
  };
  return {
    direction: directions[options.direction],
    destination: options.to,
    method: options.method.toUpperCase(),
    path: options.path,
    statusFrom,
    statusTo,
    slowerThanMs: options.slower === '' ? 0 : durationOf('--slower', options.slower, 3_600_000),
    maxRate,
    showValues: options.showValues,
  };
}

function readStatus(text: string): readonly [number, number] {
  if (text === '') return [0, 0];
  if (/^[1-5]xx$/i.test(text)) return [Number(text[0]) * 100, Number(text[0]) * 100 + 99];
  const found = /^([1-9]\d\d)(?:-([1-9]\d\d))?$/.exec(text);
  if (found === null) throw new CommandFault(exitCodes.usage, `--status "${text}": expected 503, 5xx or 400-499`);
  return [Number(found[1]), Number(found[2] ?? found[1])];
}

function durationOf(flag: string, text: string, mostMs: number): number {
  const read = readDurationMs(text);
  if (read === undefined || read > mostMs) {
    throw new CommandFault(exitCodes.usage, `${flag} "${text}": expected a duration up to 1h, like 250ms or 5m`);
  }
  return Math.ceil(read);
}

function silences({ replicas }: TapEvent): string {
  return replicas
    .filter(({ silent }) => silent !== '')
    .map(
      ({ replica, silent }) => `weft: sidecars of the control plane's replica ${replica} are not tapped: ${silent}\n`,
    )
    .join('');
}

function jsonLines({ proxy, requests, dropped }: TapEvent): string {
  const lines = requests.map((request) => `${JSON.stringify({ proxy, ...request })}\n`);
  if (dropped > 0) lines.push(`${JSON.stringify({ proxy, dropped })}\n`);
  return lines.join('');
}

function textLines(terminal: Terminal): (event: TapEvent) => string {
  return ({ proxy, requests, dropped }) => {
    const lines = requests.map((request) => `${lineOf(proxy, request, terminal.coloured)}\n`);
    if (dropped > 0)
      lines.push(paint(`${proxy}: ${dropped} more fitted and were not shown\n`, 'dim', terminal.coloured));
    return lines.join('');
  };
}

function lineOf(proxy: string, request: TappedRequest, coloured: boolean): string {
  const { atMs, direction, source, destination, method, authority, path, status, termination, durationMs } = request;
  const outcome = termination === 'completed' ? String(status) : `${status} ${termination}`;
  const colour = status >= 500 || status === 0 ? 'red' : status >= 400 ? 'yellow' : 'green';
  const peer = direction === 'Inbound' ? `from ${source}` : `to ${destination}`;
  const tries = request.attempts > 1 ? ` ${request.attempts} tries` : '';
  const secured = request.secured ? ' mtls' : '';
  const shown = request.fields.filter(({ redacted }) => !redacted).map(({ name, value }) => `${name}=${value}`);
  const fields = paint(shown.length === 0 ? '' : ` ${clean(shown.join(' '))}`, 'dim', coloured);
  const head = `${new Date(atMs).toISOString().slice(11, 23)} ${clean(proxy)} ${clean(peer)}`;
  const what = `${clean(method)} ${clean(authority)}${clean(path)}`;
  const took = `${Math.round(durationMs * 10) / 10}ms${tries}${secured}`;
  return `${head} ${what} ${paint(outcome, colour, coloured)} ${took} ${request.requestId}${fields}`;
}

function clean(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
