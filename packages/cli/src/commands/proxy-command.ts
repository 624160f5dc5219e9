import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { hostname } from 'node:os';
import { type CapturePlan, openOriginalDestinations, proveOutbound } from '@weft/capture';
import type { Proxy } from '@weft/proxy';
import { DeferredLog } from '../deferred-log.ts';
import { followEndSignals, orphaned } from '../end-signals.ts';
import { CommandFault, type ExitCode, exitCodes } from '../exit-code.ts';
import { uncapturedWayOut } from '../capture-way-out.ts';
import { describeFlags, readFlags } from '../proxy/flag-reader.ts';
import { proxyFlags } from '../proxy/proxy-flags.ts';
import { type ProxySettings, readProxySettings } from '../proxy/proxy-settings.ts';
import { readyLine } from '../proxy/ready-line.ts';
import { writeReady } from '../ready-file.ts';
import { nodeWarning } from '../node-release.ts';
import type { Terminal } from '../output/terminal.ts';
import { weftVersion } from '../weft-version.ts';

/** How long a token is good for a first configuration to arrive is of no concern here: a day stands for "until asked to end". */
const LONGEST_START_MS = 86_400_000;

const help = `Usage: weft proxy [flags]

The proxy beside one program (sidecar) or at the border (gateway). It needs a join token once, and its state folder
after that. SIGTERM drains and ends it; a second signal ends it at once.

Flags (each has a variable; a flag wins over it):
${describeFlags(proxyFlags)}
Examples:
  # Beside a program that listens on 8080:
  weft proxy --service cart --port http=8080 --token-file cart.token --state ./cart-state
  # Again, after a restart; no token is needed:
  weft proxy --service cart --port http=8080 --control 127.0.0.1:15012 --state ./cart-state
  # At the border, with the Gateway's port 80 opened as 8000:
  weft proxy --mode gateway --gateway shop/edge --gateway-port 80=8000 --token-file edge.token --state ./edge-state
`;

/**
 * `weft proxy`. Loads nothing but the data plane: no argument library, no control plane, and the log writer only once
 * requests are served. Resolves when the proxy has ended.
 */
export async function runProxy(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const flags = readFlags(proxyFlags, args, process.env);
  if (!flags.ok) throw new CommandFault(exitCodes.usage, `${flags.error}; see weft proxy --help`);
  if (flags.value.given('help')) {
    terminal.out(help);
    return exitCodes.ok;
  }
  const settings = readProxySettings(flags.value, {
    hostName: hostname(),
    randomName: randomBytes(4).toString('hex'),
    readFile: readText,
  });
  if (!settings.ok) throw new CommandFault(exitCodes.usage, `${settings.error}; see weft proxy --help`);
  // The application's children and crash reports need not see it.
  delete process.env['WEFT_TOKEN'];
  if (settings.value.captureRules !== null) await findCaptured(settings.value.captureRules);
  return serve(settings.value);
}

async function serve(settings: ProxySettings): Promise<ExitCode> {
  const { options, logLevel } = settings;
  const log = new DeferredLog(logLevel, { weft: 'proxy', workload: `${options.namespace}/${options.name}` });
  const { promise: ended, resolve: end } = Promise.withResolvers<ExitCode>();
  let proxy: Proxy | undefined;
  let guarded = 0;
  followEndSignals({
    first(reason) {
      log.info(`ending: ${reason}`);
      if (reason === orphaned && guarded > 0) endProcess(guarded);
      if (proxy === undefined) end(exitCodes.ok);
      else void proxy.drain().then(() => end(exitCodes.ok));
    },
    second(reason) {
      log.warn(`ending at once: ${reason}`);
      end(exitCodes.ok);
    },
  });
  const warning = nodeWarning(process.versions.node);
  if (warning !== '') log.warn(warning);
  const { startProxy } = await import('@weft/proxy');
  const started = startProxy({
    ...options,
    version: weftVersion,
    log,
    setLogLevel: (level) => log.setLevel(level),
  }).then(async (running) => {
    proxy = running;
    followParent(running, (pid) => void (guarded = pid));
    await running.whenReady(LONGEST_START_MS);
    const line = readyLine(running);
    writeReady(line, settings.readyFd, settings.readyFile);
    log.info('ready', {
      identity: line.identity,
      version: line.version,
      outbound: line.outboundPort,
      inbound: writePorts(line.inboundPorts),
      gateway: writePorts(line.gatewayPorts),
      stats: line.statsPort,
      metrics: line.metricsPort,
    });
    await log.open();
    // Now, not at the end: whoever is killed keeps its compiled code for the next start too.
    flushCompileCache();
  });
  started.catch((error: unknown) => {
    if (proxy !== undefined && proxy.notReady() === 'stopped') return;
    // What the proxy foresees is an Error with a sentence; anything else is a defect, and its place says more.
    const foreseen = error instanceof Error && error.constructor === Error;
    log.error(foreseen ? error.message : String((error as Error).stack));
    end(exitCodes.unwell);
  });
  // A start that hangs says why.
  const patience = setTimeout(() => void log.open(), 2000);
  const code = await ended;
  clearTimeout(patience);
  await proxy?.stop();
  if (settings.discardState) rmSync(options.stateFolder, { recursive: true, force: true });
  await log.open();
  return code;
}

/** An application whose traffic goes past its proxy must not start, so neither does the proxy. */
async function findCaptured(plan: CapturePlan): Promise<void> {
  const read = openOriginalDestinations();
  const proof = read.ok ? await proveOutbound(plan, read.value) : read;
  // That nothing could be found out is no lack of rules, for which the agent of the node would send the pod away.
  if (!proof.ok) throw new CommandFault(exitCodes.unwell, proof.error);
  const { faults } = proof.value;
  if (faults.length === 0) return;
  throw new CommandFault(
    exitCodes.uncaptured,
    `traffic is not led through this proxy: ${faults.join('; ')}; ${uncapturedWayOut}`,
  );
}

/**
 * `weft run` asks its sidecar to drain before it stops the program, and to stay until the program has ended; and names the
 * program, to be ended when `weft run` itself dies without having done so.
 */
function followParent(proxy: Proxy, guard: (pid: number) => void): void {
  if (process.channel === undefined) return;
  process.on('message', (message) => {
    if (message === 'drain') void proxy.drainInbound().then(() => process.send?.('drained'));
    else if (typeof message === 'object' && message !== null && 'guard' in message) guard(Number(message.guard));
  });
  process.channel?.unref();
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended by itself.
  }
}

function writePorts(ports: Readonly<Record<string, number>>): string {
  return Object.entries(ports)
    .map(([declared, actual]) => `${declared}=${actual}`)
    .join(' ');
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
