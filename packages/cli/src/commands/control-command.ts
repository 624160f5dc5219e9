import { hostname } from 'node:os';
import { TimerWheel, readDurationMs, systemClock, systemRandom } from '@weft/kernel';
import { Command, Option } from 'commander';
import { telemetryOf } from '../control/own-telemetry.ts';
import { dashboardFolder } from '../dashboard-folder.ts';
import { DeferredLog } from '../deferred-log.ts';
import { defaultAdminSocket, defaultStateFolder, makeSocketFolder } from '../default-place.ts';
import { accessOf } from '../cluster/cluster-access.ts';
import { followEndSignals } from '../end-signals.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { nodeWarning } from '../node-release.ts';
import type { Terminal } from '../output/terminal.ts';
import { writeReady } from '../ready-file.ts';
import { weftVersion } from '../weft-version.ts';
import type { Finish } from './finish.ts';

interface ControlCommandOptions {
  readonly config: string;
  readonly kubernetes: boolean;
  readonly kubeconfig: string;
  readonly context: string;
  readonly namespace: string;
  readonly metricsHost: string;
  readonly webhookPort: number;
  readonly serviceHost: string;
  readonly sidecarImage: string;
  readonly sidecarPullPolicy: '' | 'Always' | 'IfNotPresent' | 'Never';
  readonly sidecarPullSecrets: string;
  readonly sidecarSize: 'small' | 'standard' | 'large';
  readonly sidecarLogLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly capture: 'Redirect' | 'None';
  readonly legacyIptables: boolean;
  readonly cni: boolean;
  readonly state: string;
  readonly host: string;
  readonly port: number;
  readonly adminSocket: string;
  readonly adminPort: number;
  readonly metricsPort: number;
  readonly dashboardPort: number;
  readonly dashboardHost: string;
  readonly otlp: string;
  readonly name: string;
  readonly advertisedHost: string;
  readonly trustDomain: string;
  readonly leafLifetime: string;
  readonly logLevel: string;
  readonly logFormat: 'auto' | 'json' | 'plain';
  readonly readyFd: number;
  readonly readyFile: string;
}

/** `weft control`: the control plane of a mesh, from a folder of files or a Kubernetes cluster. */
export function controlCommand(terminal: Terminal, finish: Finish): Command {
  return new Command('control')
    .description(
      'start a control plane that serves a folder of YAML, or a Kubernetes cluster, to sidecars and gateways',
    )
    .option('--config <folder>', 'folder of .yaml, .yml and .json files; changes are served as they are saved', '')
    .option(
      '--kubernetes',
      'serve a cluster in place of a folder: the one this runs in, or that of --kubeconfig',
      false,
    )
    .option('--kubeconfig <path>', 'file that says how to reach the cluster (default: as a pod of it)', '')
    .option('--context <name>', 'context of the kubeconfig (default: its current one)', '')
    .option('--namespace <name>', 'where Lease and Secrets of the control plane are (default: its own)', '')
    .addOption(
      new Option('--state <folder>', 'keeps the certificate authority (mode 0700)')
        .env('WEFT_CONTROL_STATE')
        .default(defaultStateFolder(process.env)),
    )
    .option('--host <address>', 'address proxies connect to; 0.0.0.0 for other machines', '127.0.0.1')
    .addOption(portOption('--port <port>', 'port proxies connect to; 0 takes a free one', 0).default(15_012))
    .addOption(
      new Option('--admin-socket <path>', 'UNIX socket (mode 0600) that weft status and weft run ask')
        .env('WEFT_CONTROL_SOCKET')
        .default(defaultAdminSocket(process.env)),
    )
    .addOption(
      portOption(
        '--admin-port <port>',
        'loopback port of the same for people of a cluster, who come through the API server; -1: none',
        -1,
      ).default(-1),
    )
    .addOption(
      portOption(
        '--metrics-port <port>',
        'loopback port of /metrics, /ready, /live; 0: a free one, -1: none',
        -1,
      ).default(15_014),
    )
    .option('--metrics-host <address>', 'address of that port; 0.0.0.0 for the kubelet and Prometheus', '127.0.0.1')
    .addOption(
      portOption('--dashboard-port <port>', 'port of the dashboard; 0: a free one, -1: none', -1).default(15_080),
    )
    .option('--dashboard-host <address>', 'address of that port; it speaks no TLS', '127.0.0.1')
    .option(
      '--otlp <url>',
      'send its own spans and metrics to this collector: http://HOST:4318 or otlp-grpc://HOST:4317 (default: as OTEL_EXPORTER_OTLP_ENDPOINT and the like say; without any: nowhere)',
      '',
    )
    .addOption(
      portOption('--webhook-port <port>', 'port of the webhooks of a cluster; 0: a free one, -1: none', -1).default(-1),
    )
    .option('--service-host <name>', 'name by which pods and the API server reach this control plane', '')
    .option('--sidecar-image <reference>', 'image of injected sidecars', '')
    .addOption(
      new Option('--sidecar-pull-policy <policy>', 'of that image (default: as Kubernetes decides)')
        .choices(['Always', 'IfNotPresent', 'Never', ''])
        .default(''),
    )
    .option('--sidecar-pull-secrets <names>', 'Secrets to pull it with, separated by commas', '')
    .addOption(
      new Option('--sidecar-size <size>', 'resources of sidecars')
        .choices(['small', 'standard', 'large'])
        .default('standard'),
    )
    .addOption(
      new Option('--sidecar-log-level <level>', 'of sidecars')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(
      new Option('--capture <how>', 'how injected pods reach their sidecar: by rules, or as their HTTP proxy')
        .choices(['Redirect', 'None'])
        .default('Redirect'),
    )
    .option('--legacy-iptables', 'write rules with legacy iptables, for nodes without nf_tables', false)
    .option('--cni', 'agents of the nodes write the rules of pods (weft cni agent): pods need no privilege', false)
    .option('--name <name>', 'name of this control plane', hostname())
    .option('--advertised-host <host>', 'host that join tokens tell proxies to connect to (default: --host)', '')
    .option('--trust-domain <name>', 'in place of the one that the Mesh object says', '')
    .option('--leaf-lifetime <duration>', 'life of certificates, in place of what the Mesh object says', '')
    .addOption(
      new Option('--log-level <level>', 'on standard error')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'auto is plain on a terminal')
        .choices(['auto', 'json', 'plain'])
        .default('auto'),
    )
    .addOption(
      portOption('--ready-fd <n>', 'descriptor that gets one JSON line when ready, then closes', -1).default(-1),
    )
    .option('--ready-file <path>', 'file that gets that line', '')
    .addHelpText(
      'after',
      `
The first start makes the root certificate of the mesh in the state folder: keep that folder safe and private.

Examples:
  weft control --config ./mesh
  weft control --kubernetes --kubeconfig ~/.kube/config --namespace weft-system
  weft control --config ./mesh --host 0.0.0.0 --advertised-host mesh.example
  weft control --config ./mesh --port 0 --metrics-port 0 --ready-file ports.json`,
    )
    .action(async (options: ControlCommandOptions) => {
      await control(options, terminal);
      finish(exitCodes.ok);
    });
}

async function control(options: ControlCommandOptions, terminal: Terminal): Promise<void> {
  const { adminSocket, advertisedHost, trustDomain, logFormat } = options;
  const leafLifetimeMs = options.leafLifetime === '' ? undefined : readDurationMs(options.leafLifetime);
  if (options.leafLifetime !== '' && (leafLifetimeMs === undefined || leafLifetimeMs < 1000)) {
    throw new CommandFault(
      exitCodes.usage,
      `--leaf-lifetime "${options.leafLifetime}": expected 1s or longer, such as 24h`,
    );
  }
  if ((options.config === '') !== (options.kubernetes || options.kubeconfig !== '')) {
    throw new CommandFault(exitCodes.usage, 'give either a folder with --config, or --kubernetes');
  }
  const telemetry = await telemetryOf(options.otlp, process.env);
  const plain = logFormat === 'plain' || (logFormat === 'auto' && process.stderr.isTTY === true);
  const log = new DeferredLog(options.logLevel, { weft: 'control', name: options.name }, plain);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  // Asked for before the start, so that a start that takes long can be given up.
  followEndSignals({ first: () => end(), second: () => process.exit(exitCodes.ok) });
  makeSocketFolder(adminSocket);
  const { ControlStartError, startControlPlane } = await import('@weft/control');
  await log.open();
  const warning = nodeWarning(process.versions.node);
  if (warning !== '') log.warn(warning);
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const cluster = options.config === '' ? await clusterOf(options) : undefined;
  const plane = await startControlPlane({
    name: options.name,
    ...(cluster === undefined ? { configFolder: options.config } : { cluster }),
    stateFolder: options.state,
    host: options.host,
    port: options.port,
    adminSocket,
    version: weftVersion,
    clock: systemClock,
    wheel,
    random: systemRandom,
    log,
    ...(options.dashboardPort < 0
      ? {}
      : { dashboard: { port: options.dashboardPort, host: options.dashboardHost, folder: dashboardFolder } }),
    ...(options.adminPort < 0 ? {} : { adminPort: options.adminPort }),
    ...(options.metricsPort < 0 ? {} : { metricsPort: options.metricsPort }),
    metricsHost: options.metricsHost,
    ...(advertisedHost === '' ? {} : { advertisedHost }),
    ...(trustDomain === '' ? {} : { trustDomain }),
    ...(leafLifetimeMs === undefined ? {} : { leafLifetimeMs }),
    ...(telemetry === undefined ? {} : { telemetry }),
  }).catch((error: unknown) => {
    if (error instanceof ControlStartError) throw new CommandFault(exitCodes.unwell, error.message);
    throw error;
  });
  const { address, port, metricsPort } = plane;
  writeReady({ pid: process.pid, address, port, metricsPort, adminSocket }, options.readyFd, options.readyFile);
  const { objects, objectsRefused, source } = plane.status().server;
  const metrics = metricsPort === 0 ? '' : `, metrics on http://127.0.0.1:${metricsPort}/metrics`;
  const refused = objectsRefused === 0 ? '' : `, ${objectsRefused} refused (weft get objects)`;
  terminal.out(
    `Control plane on ${address}${metrics}; ${source}: ${objects} ${objects === 1 ? 'object' : 'objects'}${refused}\n` +
      `Next, in another terminal: weft run${socketHint(adminSocket)} --service NAME --port PORT -- PROGRAM\n`,
  );
  await ended;
  await plane.stop();
  wheel.stop();
}

/** Here, or as the kubeconfig says. */
async function clusterOf(options: ControlCommandOptions) {
  const { kubeconfig, context, namespace, name } = options;
  const access = await accessOf({ kubeconfig, context });
  const webhooks = webhooksOf(options);
  return {
    access,
    replica: name,
    namespace: namespace === '' ? access.namespace : namespace,
    ...(webhooks === undefined ? {} : { webhooks }),
  };
}

function webhooksOf(options: ControlCommandOptions) {
  const { webhookPort, serviceHost, sidecarImage, host } = options;
  if (webhookPort < 0) return undefined;
  if (serviceHost === '' || sidecarImage === '') {
    throw new CommandFault(exitCodes.usage, '--webhook-port goes with --service-host and --sidecar-image');
  }
  return {
    host,
    port: webhookPort,
    dnsNames: [serviceHost],
    controlAddress: `${serviceHost}:${options.port}`,
    injection: {
      image: sidecarImage,
      imagePullPolicy: options.sidecarPullPolicy,
      imagePullSecrets: options.sidecarPullSecrets.split(',').filter((secret) => secret !== ''),
      capture: options.capture,
      legacyIptables: options.legacyIptables,
      cni: options.cni,
      logLevel: options.sidecarLogLevel,
      size: options.sidecarSize,
    },
  };
}

/** Commands find the default socket by themselves. */
function socketHint(socket: string): string {
  return socket === defaultAdminSocket(process.env) ? '' : ` --admin-socket ${socket}`;
}

function portOption(flags: string, text: string, from: number): Option {
  return new Option(flags, text).argParser((given) => {
    const port = /^-?\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
    if (port >= from && port <= 65_535) return port;
    throw new CommandFault(
      exitCodes.usage,
      `${flags.split(' ')[0]} "${given}": expected a whole number from ${from} to 65535`,
    );
  });
}
