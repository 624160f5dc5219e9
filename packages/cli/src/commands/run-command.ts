import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { adminSocketOption, answerOf, withLocalControl } from '../admin-connection.ts';
import { followEndSignals } from '../end-signals.ts';
import { CommandFault, type ExitCode, exitCodes } from '../exit-code.ts';
import type { Terminal } from '../output/terminal.ts';
import type { ReadyLine } from '../proxy/ready-line.ts';
import { readListeningPorts } from '../run/listening-ports.ts';
import { type Program, checkProgram, programEnvironment, startProgram } from '../run/program.ts';
import { type Sidecar, startSidecar } from '../run/sidecar.ts';
import type { Finish } from './finish.ts';

interface RunOptions {
  readonly service: string;
  readonly port: readonly string[];
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly zone: string;
  readonly label: readonly string[];
  readonly weight: string;
  readonly token: string;
  readonly control: string;
  readonly state: string;
  readonly accessLog: string;
  readonly drainDeadline: string;
  readonly verbose: boolean;
  readonly adminSocket: string;
}

/** How long a program may take until it listens before that is remarked on. */
const LISTEN_PATIENCE_MS = 10_000;
const LISTEN_POLL_MS = 250;

/** `weft run`: a program of one's own in the mesh, with a sidecar beside it. */
export function runCommand(terminal: Terminal, finish: Finish): Command {
  const gather = (value: string, before: readonly string[]): readonly string[] => [...before, value];
  return new Command('run')
    .description('start a program with a sidecar beside it, as an instance of a service for as long as it runs')
    .argument('<program>', 'program to start; put -- before it')
    .argument('[args...]', 'its arguments')
    .requiredOption('--service <name>', 'Service it belongs to')
    .option('--port <[name=]port>', 'port the program listens on (repeatable; none: it only calls)', gather, [])
    .option('--namespace <name>', 'namespace of the service', 'default')
    .option('--service-account <name>', 'account its identity is for (default: as the service)', '')
    .option('--zone <name>', 'where it runs; endpoints of the same zone are preferred', '')
    .option('--label <key=value>', 'label of the instance (repeatable)', gather, [])
    .option('--weight <n>', 'share of traffic relative to other instances', '100')
    .option('--token <token>', 'join token, from another machine; WEFT_TOKEN is the better place for it', '')
    .option('--control <host:port>', 'control plane (default: that of the token)', '')
    .option('--state <folder>', 'keeps key, certificate and configuration (0700) for the next start', '')
    .option('--access-log <when>', 'never, errors or always; JSON lines on standard error', 'never')
    .option('--drain-deadline <duration>', 'longest wait for running requests at the end', '30s')
    .option('--verbose', 'show all the sidecar says', false)
    .addOption(adminSocketOption())
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The program gets http_proxy, HTTP_PROXY and NODE_USE_ENV_PROXY=1, so plain http://orders/ goes through the mesh; services
can also be called at the local addresses that are printed. Its exit code is that of weft run. SIGTERM first lets running
requests finish, then ends the program.

Examples:
  weft run --service cart --port 8080 -- python3 cart.py
  weft run --service orders --port http=8081 --label version=v2 -- node orders.mjs
  weft run --service cart -- curl -s http://orders/
  WEFT_TOKEN=$(cat cart.token) weft run --service cart --port 8080 -- ./cart`,
    )
    .action(async (program: string, args: string[], options: RunOptions) => {
      finish(await run(program, args, options, terminal));
    });
}

async function run(
  command: string,
  args: readonly string[],
  options: RunOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const ports = options.port.map(portOf);
  checkProgram(command, process.env);
  for (const port of ports) await checkFree(port);
  const token = await tokenFor(options);
  const isOwnFolder = options.state === '';
  const folder = isOwnFolder ? mkdtempSync(join(tmpdir(), 'weft-run-')) : options.state;
  let sidecar: Sidecar | undefined;
  try {
    sidecar = await startSidecar({
      flags: sidecarFlags(options, folder, isOwnFolder),
      token,
      report: (level, message) => {
        const matters = level === 'error' || level === 'warn';
        // At the start the error is what ends this command; at the end a lost control plane is as it should be.
        const isExpected =
          (sidecar === undefined && level === 'error') || (sidecar?.leaving === true && level === 'warn');
        if (options.verbose || (matters && !isExpected)) terminal.err(`weft: ${message}\n`);
      },
    });
    terminal.err(greeting(sidecar.ready, options));
    return await beside(sidecar, command, args, ports, terminal);
  } finally {
    await sidecar?.stop();
    if (isOwnFolder) rmSync(folder, { recursive: true, force: true });
  }
}

/** From start to end of the program. */
async function beside(
  sidecar: Sidecar,
  command: string,
  args: readonly string[],
  ports: readonly number[],
  terminal: Terminal,
): Promise<ExitCode> {
  const program = await startProgram(command, args, programEnvironment(process.env, sidecar.ready.outboundPort));
  sidecar.guard(program.pid);
  const unfollow = followEndSignals({
    first(reason) {
      // A terminal has sent Ctrl-C to the program as well: it ends, and the sidecar after it.
      if (reason === 'SIGINT' && process.stdin.isTTY === true) return;
      void sidecar.drain().then(() => program.kill('SIGTERM'));
    },
    second: () => program.kill('SIGKILL'),
  });
  const watch = watchPorts(ports, terminal);
  const code = await Promise.race([program.ended, sidecar.ended.then(() => undefined)]);
  clearInterval(watch);
  if (code === undefined) await endWithout(sidecar, program, terminal);
  else await sidecar.drain();
  unfollow();
  // Any number of a program's own stands for itself.
  return (code ?? exitCodes.unwell) as ExitCode;
}

/** Nobody could reach the program any more, and it could call nobody. */
async function endWithout(sidecar: Sidecar, program: Program, terminal: Terminal): Promise<void> {
  terminal.err(`weft: the sidecar is gone (${await sidecar.ended}); ending the program\n`);
  program.kill('SIGTERM');
  await program.ended;
}

async function tokenFor(options: RunOptions): Promise<string> {
  const { service, namespace, serviceAccount, adminSocket, state } = options;
  const given = options.token === '' ? (process.env['WEFT_TOKEN'] ?? '') : options.token;
  if (given !== '') return given;
  // A stored certificate does without a control plane.
  if (state !== '' && options.control !== '' && existsSync(join(state, 'svid.pem'))) return '';
  const created = await withLocalControl(adminSocket, async (admin) =>
    answerOf(await admin.createToken({ namespace, service, serviceAccount, lifetimeMs: 0 })),
  );
  return created.token;
}

function sidecarFlags(options: RunOptions, folder: string, discard: boolean): string[] {
  const { service, namespace, serviceAccount, zone, control, weight, accessLog, drainDeadline, verbose } = options;
  const pairs: readonly (readonly [string, string])[] = [
    ['service', service],
    ['namespace', namespace],
    ['service-account', serviceAccount],
    ['zone', zone],
    ['control', control],
    ['weight', weight],
    ['state', folder],
    ['outbound-port', '0'],
    ['stats-port', '0'],
    ['metrics-port', '0'],
    ['access-log', accessLog],
    ['drain-deadline', drainDeadline],
    ['log-level', verbose ? 'debug' : 'info'],
    ...options.port.map((port) => ['port', port] as const),
    ...options.label.map((label) => ['label', label] as const),
  ];
  const flags = pairs.filter(([, value]) => value !== '').map(([name, value]) => `--${name}=${value}`);
  return [...flags, '--local-addresses', ...(discard ? ['--discard-state'] : [])];
}

export function greeting(ready: ReadyLine, { service, namespace }: Pick<RunOptions, 'service' | 'namespace'>): string {
  const lines = [
    `weft: ${service} runs as ${ready.identity}`,
    `weft: http_proxy=http://127.0.0.1:${ready.outboundPort} is set for the program; stats on http://127.0.0.1:${ready.statsPort}/stats`,
  ];
  const services = Object.entries(ready.localPorts).map(([key, port]) => {
    const [, ofNamespace = '', name = '', servicePort = ''] = /^([^/]+)\/(.+):(\d+)$/.exec(key) ?? [];
    const host = ofNamespace === namespace ? name : `${name}.${ofNamespace}`;
    if (ready.opaque.includes(key)) return [`tcp://${host}:${servicePort}`, `127.0.0.1:${port}`] as const;
    return [`http://${host}${servicePort === '80' ? '' : `:${servicePort}`}/`, `http://127.0.0.1:${port}/`] as const;
  });
  if (services.length > 0) {
    const width = Math.max(...services.map(([name]) => name.length));
    lines.push('weft: services it may call, HTTP by name through http_proxy, all at a local address:');
    for (const [name, local] of services) lines.push(`weft:   ${name.padEnd(width)}   ${local}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Says once for each port whether others reach it around the mesh, or that nothing listens on it. */
function watchPorts(ports: readonly number[], terminal: Terminal): NodeJS.Timeout {
  const open = new Set(ports);
  let leftMs = LISTEN_PATIENCE_MS;
  const timer = setInterval(() => {
    for (const { port, exposed } of open.size === 0 ? [] : readListeningPorts()) {
      if (!open.delete(port) || !exposed) continue;
      terminal.err(
        `weft: the program listens on port ${port} of all addresses, so others reach it around the mesh; bind it to 127.0.0.1\n`,
      );
    }
    leftMs -= LISTEN_POLL_MS;
    if (open.size > 0 && leftMs > 0) return;
    clearInterval(timer);
    // Where the kernel does not tell, silence means nothing.
    if (process.platform !== 'linux') return;
    for (const port of open) terminal.err(`weft: nothing listens on port ${port} yet; is --port right?\n`);
  }, LISTEN_POLL_MS);
  timer.unref();
  return timer;
}

function portOf(text: string): number {
  const port = Number(/^(?:[a-z0-9-]{1,63}=)?(\d{1,5})$/.exec(text)?.[1] ?? 0);
  if (port >= 1 && port <= 65_535) return port;
  throw new CommandFault(exitCodes.usage, `--port "${text}": expected PORT or NAME=PORT, such as http=8080`);
}

async function checkFree(port: number): Promise<void> {
  const server = createServer();
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  });
  if (error === undefined) return;
  const why = error.code === 'EADDRINUSE' ? 'is taken; stop what listens there, or' : `cannot be used (${error.code});`;
  throw new CommandFault(
    exitCodes.unwell,
    `port ${port} ${why} let the program listen on another and say so with --port`,
  );
}
