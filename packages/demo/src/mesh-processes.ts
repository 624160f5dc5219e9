import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { proxyV8Flags, weftProgram } from '@weft/cli';
import type { ReadyLine } from '@weft/cli';
import { freePort } from './free-port.ts';
import { ask, askJson } from './json-http.ts';
import type { ManagedProcess, ProcessSupervisor } from './process-supervisor.ts';
import type { SidecarStats } from './sidecar-stats.ts';
import { Hopeless, waitUntil } from './wait-until.ts';

const READY_MS = 20_000;
const COMMAND_MS = 15_000;

/** Runs a command of the CLI, as a person would, and gives what it printed as JSON. */
export async function runWeft<T>(args: readonly string[]): Promise<T> {
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [weftProgram, ...args],
      { timeout: COMMAND_MS, maxBuffer: 1 << 26, env: { ...process.env, NO_COLOR: '1' } },
      // Exit code 1 says that what was asked about is not well, with the answer printed all the same.
      (_, stdout, stderr) => resolve({ stdout, stderr }),
    );
  });
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw new Error(`weft ${args.join(' ')}: ${stderr.trim() || stdout.trim() || 'no answer'}`);
  }
}

/** The control plane's process. It comes back on the port where sidecars found it. */
export class ControlProcess {
  readonly adminSocket: string;
  readonly port: number;
  process: ManagedProcess;
  private readonly supervisor: ProcessSupervisor;
  private readonly name: string;
  private readonly args: readonly string[];

  private constructor(
    supervisor: ProcessSupervisor,
    name: string,
    args: readonly string[],
    port: number,
    adminSocket: string,
  ) {
    this.supervisor = supervisor;
    this.name = name;
    this.args = args;
    this.port = port;
    this.adminSocket = adminSocket;
    this.process = this.spawn();
  }

  static async start(
    supervisor: ProcessSupervisor,
    name: string,
    configFolder: string,
    metricsPort = 0,
  ): Promise<ControlProcess> {
    const port = await freePort();
    const adminSocket = join(supervisor.folder, `${name}.sock`);
    const state = join(supervisor.folder, 'state', name);
    const args = ['--config', configFolder, '--state', state, '--port', String(port), '--admin-socket', adminSocket];
    args.push('--metrics-port', String(metricsPort));
    const control = new ControlProcess(supervisor, name, args, port, adminSocket);
    await control.ready();
    return control;
  }

  /** After it was killed. */
  async restart(): Promise<void> {
    this.process = this.spawn();
    await this.ready();
  }

  /** What a service's sidecar joins with: for one workload, once. */
  async createToken(namespace: string, service: string, serviceAccount: string): Promise<string> {
    const words = ['token', 'create', '--namespace', namespace, '--service', service];
    words.push('--service-account', serviceAccount, '--admin-socket', this.adminSocket, '-o', 'json');
    return (await runWeft<{ token: string }>(words)).token;
  }

  private spawn(): ManagedProcess {
    return this.supervisor.start({
      name: this.name,
      command: process.execPath,
      args: [weftProgram, 'control', ...this.args],
    });
  }

  private async ready(): Promise<void> {
    const { process } = this;
    await waitUntil(`${this.name} to answer`, READY_MS, async () => {
      if (!process.alive) throw ended(process);
      return isListening(this.port);
    });
  }
}

export interface SidecarSpec {
  readonly instance: string;
  readonly namespace: string;
  readonly service: string;
  readonly serviceAccount: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of the application; absent for one that only calls. */
  readonly applicationPort?: number;
  readonly outboundPort: number;
  /** `namespace/name`: an edge gateway in place of a sidecar. */
  readonly gateway?: string;
}

/** A sidecar's, or the gateway's, process. */
export class SidecarProcess {
  readonly spec: SidecarSpec;
  readonly stateFolder: string;
  process: ManagedProcess;
  private line: ReadyLine | undefined;
  private readonly supervisor: ProcessSupervisor;
  private readonly readyFile: string;
  private readonly controlPort: number;

  private constructor(supervisor: ProcessSupervisor, spec: SidecarSpec, controlPort: number, token: string) {
    this.supervisor = supervisor;
    this.spec = spec;
    this.controlPort = controlPort;
    this.stateFolder = join(supervisor.folder, 'state', spec.instance);
    this.readyFile = join(supervisor.folder, `${spec.instance}.ready`);
    this.line = undefined;
    mkdirSync(this.stateFolder, { recursive: true, mode: 0o700 });
    this.process = this.spawn(token);
  }

  static async start(
    supervisor: ProcessSupervisor,
    spec: SidecarSpec,
    control: ControlProcess,
  ): Promise<SidecarProcess> {
    const token = await control.createToken(spec.namespace, spec.service, spec.serviceAccount);
    const sidecar = new SidecarProcess(supervisor, spec, control.port, token);
    await sidecar.ready();
    return sidecar;
  }

  /** After it ended: with what its state folder holds, and no token. */
  async restart(): Promise<void> {
    rmSync(this.readyFile, { force: true });
    this.process = this.spawn('');
    await this.ready();
  }

  /** Of this life. */
  get ports(): ReadyLine {
    if (this.line === undefined) throw new Error(`the sidecar of ${this.spec.instance} is not ready`);
    return this.line;
  }

  stats(): Promise<SidecarStats> {
    return askJson<SidecarStats>(this.ports.statsPort, '/stats');
  }

  async metrics(): Promise<string> {
    return (await ask(this.ports.metricsPort, '/metrics')).text;
  }

  /** Where peers reach the application's port through this sidecar. */
  get inboundPort(): number {
    return Object.values(this.ports.inboundPorts)[0] ?? -1;
  }

  private spawn(token: string): ManagedProcess {
    const { spec } = this;
    const args = ['proxy', '--namespace', spec.namespace, '--service', spec.service];
    args.push('--service-account', spec.serviceAccount, '--instance', spec.instance);
    for (const [name, value] of Object.entries(spec.labels ?? {})) args.push('--label', `${name}=${value}`);
    if (spec.applicationPort !== undefined) args.push('--port', `http=${spec.applicationPort}`);
    if (spec.gateway !== undefined)
      args.push(
        '--mode',
        'gateway',
        '--gateway',
        spec.gateway,
        '--gateway-port',
        '80=0',
        '--gateway-host',
        '127.0.0.1',
      );
    args.push(`--outbound-port=${spec.outboundPort}`);
    args.push('--control', `127.0.0.1:${this.controlPort}`, '--state', this.stateFolder);
    args.push('--stats-port', '0', '--metrics-port', '0', '--drain-deadline', '5s', '--ready-file', this.readyFile);
    args.push('--access-log', 'never');
    return this.supervisor.start({
      name: `${spec.instance}-${spec.gateway === undefined ? 'sidecar' : 'gateway'}`,
      command: process.execPath,
      args: [...proxyV8Flags, weftProgram, ...args],
      // Not an argument: those are everybody's to read.
      ...(token === '' ? {} : { environment: { WEFT_TOKEN: token } }),
    });
  }

  private async ready(): Promise<void> {
    const { process } = this;
    this.line = await waitUntil(`the sidecar of ${this.spec.instance} to be ready`, READY_MS, () => {
      if (!process.alive) throw ended(process);
      const text = readFileSync(this.readyFile, 'utf8');
      return text.endsWith('\n') ? (JSON.parse(text) as ReadyLine) : undefined;
    });
  }
}

function ended(process: ManagedProcess): Hopeless {
  return new Hopeless(`${process.name} ended: ${process.lastWords()}`);
}

function isListening(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(undefined));
  });
}
