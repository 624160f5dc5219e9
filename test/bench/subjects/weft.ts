import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { proxyEnvironment, proxyV8Flags } from '@weft/cli';
import { freePorts } from '@weft/testkit';
import type { Running, Workbench } from '../workbench.ts';
import { nodeCommand } from './subject.ts';
import type { Role, Sidecar, Subject, SubjectStart } from './subject.ts';
import { needCertificates } from './pair-certificates.ts';
import type { PairCertificates } from './pair-certificates.ts';
import {
  answererResources,
  benchNamespace,
  bytesDestination,
  callerResources,
  edgeGateway,
  edgeResources,
  writeState,
} from './weft-state.ts';

const builder = fileURLToPath(new URL('../../../deploy/build/bundle.ts', import.meta.url));

/** As `weft proxy` starts its Node. */
let v8Flags: readonly string[] = proxyV8Flags;

/** From now on Weft is started with these options of V8 instead. */
export function useV8Flags(flags: readonly string[]): void {
  v8Flags = flags;
}

/** As the listener declares it; another one is opened. */
const EDGE_PORT = 443;
const EDGE_CERTIFICATE = `${benchNamespace}/edge`;

export interface WeftStart {
  readonly workbench: Workbench;
  readonly role: Role;
  /** Key, leaf, roots, snapshot and ports of the workload; empty but for the mode when a token is given. */
  readonly stateFolder: string;
  /** Of the application that a `server` answers for; 0 for the others. */
  readonly applicationPort: number;
  /** Of a second one that it answers for, whose bytes nobody looks into. */
  readonly bytesPort?: number;
  /** Folder of the probe's socket. */
  readonly probe?: string;
  /** With an address of its own for each destination, for what is no HTTP. */
  readonly local?: boolean;
  /** Options of V8 in place of those of the run. */
  readonly v8Flags?: readonly string[];
  /** A gateway: its own port for the one it declares, and the folder of its certificates. */
  readonly edge?: { readonly port: number; readonly certificates: string };
  /** `host:port`; absent to serve from the folder alone. */
  readonly controlAddress?: string;
  readonly token?: string;
  /** What Node runs instead of a bundle made for this run: a file, and what stands before the flags. */
  readonly program?: readonly string[];
  /** Flags of the sidecar beside those of every bench, or instead of them. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** The one place that knows how a sidecar is started. */
export async function startWeftSidecar(options: WeftStart): Promise<Running> {
  const { workbench, role, stateFolder, applicationPort, probe, controlAddress, token } = options;
  const program = options.program ?? [await bundleSidecar(workbench)];
  const name = role === 'server' ? 'server' : 'client';
  const flags = {
    namespace: benchNamespace,
    name,
    'service-account': name,
    state: stateFolder,
    // 0 takes the port of the life before, which the state folder names.
    'outbound-port': role === 'server' || role === 'edge' ? -1 : 0,
    'stats-port': 0,
    'metrics-port': 0,
    'access-log': 'never',
    'log-level': 'warn',
    'key-agreement': 'classical',
    'drain-deadline': '1s',
    ...(role === 'server' ? { port: `http=${applicationPort}` } : {}),
    ...(options.edge === undefined
      ? {}
      : {
          mode: 'gateway',
          gateway: edgeGateway,
          'gateway-host': '127.0.0.1',
          'gateway-port': `${EDGE_PORT}=${options.edge.port}`,
          certificates: options.edge.certificates,
        }),
    ...(options.local === true ? { 'ready-file': join(stateFolder, 'ready') } : {}),
    ...(controlAddress === undefined ? {} : { control: controlAddress }),
    ...(token === undefined ? {} : { token }),
    ...options.flags,
  };
  const switches = options.local === true ? ['--local-addresses'] : [];
  if (options.bytesPort !== undefined) switches.push(`--port=tcp=${options.bytesPort}`);
  const given = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const args = [...(options.v8Flags ?? v8Flags), ...program, ...given, ...switches];
  const { environment, ...command } = nodeCommand(args, probe);
  return workbench.start({ ...command, environment: { ...proxyEnvironment, ...environment }, processor: 'subject' });
}

/** With everything on that a user has who configured nothing: routing, balancing, metrics, policy check. Access log off. */
export const weft: Subject = {
  name: 'weft',
  absent: () => undefined,
  version: () => `Weft on Node ${process.version}, bundled`,
  start: (options) => startSubject(options),
};

/** The same with other options of V8, or from another bundle, to be held against the first. */
export function otherWeft(flags: readonly string[] | undefined, bundle: string | undefined): Subject {
  return {
    name: 'other',
    absent: () => undefined,
    version: () => `Weft with ${[...(flags ?? []), ...(bundle === undefined ? [] : [bundle])].join(' ')}`,
    start: (options) =>
      startSubject(options, {
        ...(flags === undefined ? {} : { v8Flags: flags }),
        ...(bundle === undefined ? {} : { program: [bundle] }),
      }),
  };
}

/** Started otherwise than a user does it: another program, other flags. As `weft` it is held against what is `other`. */
export function variedWeft(name: 'weft' | 'other', what: string, varied: WeftVariation): Subject {
  return {
    name,
    absent: () => undefined,
    version: () => what,
    start: (options) => startSubject(options, varied),
  };
}

export type WeftVariation = Pick<WeftStart, 'v8Flags' | 'program' | 'flags'>;

async function startSubject(
  { workbench, role, upstreamPort, bytesPort, probe, certificates, application = 'http1' }: SubjectStart,
  varied: WeftVariation = {},
): Promise<Sidecar> {
  const [port, arrivalPort] = (await freePorts(2)) as [number, number];
  const stateFolder = workbench.makeFolder(`weft-${role}`, 0o700);
  let edge: WeftStart['edge'];
  if (role === 'edge') {
    edge = { port, certificates: workbench.makeFolder('certificates') };
    placeCertificate(edge.certificates, needCertificates(certificates));
    const listener = { port: EDGE_PORT, certificate: EDGE_CERTIFICATE };
    await writeState(stateFolder, 'client', edgeResources(upstreamPort, listener), []);
  } else if (role === 'server') {
    await writeState(stateFolder, 'server', answererResources(upstreamPort, application, bytesPort), [
      `inbound ${upstreamPort} ${port}`,
      ...(bytesPort === undefined ? [] : [`inbound ${bytesPort} ${arrivalPort}`]),
    ]);
  } else {
    const resources = callerResources(upstreamPort, role === 'client', application, bytesPort);
    await writeState(stateFolder, 'client', resources, [`outbound ${port}`]);
  }
  const applicationPort = role === 'server' ? upstreamPort : 0;
  const probed = probe === undefined ? {} : { probe };
  const local = (application === 'tcp' || bytesPort !== undefined) && role !== 'server';
  const running = await startWeftSidecar({
    workbench,
    role,
    stateFolder,
    applicationPort,
    ...(role === 'server' && bytesPort !== undefined ? { bytesPort } : {}),
    local,
    ...probed,
    ...(edge === undefined ? {} : { edge }),
    ...varied,
  });
  await workbench.untilListening(running, port);
  const localPorts = local ? await untilLocalPorts(stateFolder) : {};
  const bytesTaken = role === 'server' ? arrivalPort : localPorts[bytesDestination];
  return {
    port: application === 'tcp' && local ? Object.values(localPorts)[0]! : port,
    ...(bytesPort === undefined || bytesTaken === undefined ? {} : { bytesPort: bytesTaken }),
    groups: [running.pid],
    startedMs: running.startedMs,
    stop: () => running.stop(),
  };
}

/** As Kubernetes mounts a Secret. */
function placeCertificate(folder: string, { serverCertificate, serverKey }: PairCertificates): void {
  const place = join(folder, EDGE_CERTIFICATE);
  mkdirSync(place, { recursive: true });
  copyFileSync(serverCertificate, join(place, 'tls.crt'));
  copyFileSync(serverKey, join(place, 'tls.key'));
}

/** Where the destinations of a caller have addresses of their own. */
async function untilLocalPorts(stateFolder: string): Promise<Readonly<Record<string, number>>> {
  const file = join(stateFolder, 'ready');
  const endMs = performance.now() + 10_000;
  while (!existsSync(file)) {
    if (performance.now() > endMs) throw new Error('not ready in 10 s');
    await sleep(5);
  }
  const { localPorts } = JSON.parse(readFileSync(file, 'utf8')) as { localPorts: Record<string, number> };
  if (Object.keys(localPorts).length === 0) throw new Error('no local address');
  return localPorts;
}

/** The command line, as `npm run build` makes it. */
export async function bundleCommandLine(workbench: Workbench): Promise<string> {
  return join(dirname(await bundleSidecar(workbench)), 'weft.mjs');
}

let bundled: Promise<string> | undefined;

/** One file, as `npm run build` makes it: what starting and idling cost depends on it. Made anew for every run. */
function bundleSidecar(workbench: Workbench): Promise<string> {
  bundled ??= new Promise((resolve, reject) => {
    const folder = workbench.makeFolder('bundle');
    const file = join(folder, 'weft-proxy.mjs');
    execFile(process.execPath, [builder, '--out', folder], (error, stdout, stderr) => {
      if (existsSync(file)) resolve(file);
      else reject(new Error(`no bundle: ${(stderr || stdout || String(error)).trim()}`));
    });
  });
  return bundled;
}
