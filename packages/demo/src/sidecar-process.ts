import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { proxyEnvironment, proxyV8Flags, weftProgram } from '@weft/cli';
import type { ReadyLine } from '@weft/cli';
import type { ControlProcess } from './control-process.ts';
import { ask, askJson } from './json-http.ts';
import type { ManagedProcess, ProcessSupervisor } from './process-supervisor.ts';
import type { SidecarStats } from './sidecar-stats.ts';
import { Hopeless, waitUntil } from './wait-until.ts';

/** A machine that does much else at the time starts programs slowly. */
const READY_MS = 60_000;

export interface SidecarSpec {
  readonly instance: string;
  readonly namespace: string;
  readonly service: string;
  readonly serviceAccount: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Of the application; absent for one that only calls. */
  readonly applicationPort?: number;
  /** That Services name as `targetPort`; `http` when absent. */
  readonly portName?: string;
  /** Opens a loopback port for each service, for programs that know no proxy. */
  readonly localAddresses?: boolean;
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
    token: Promise<string>,
  ): Promise<SidecarProcess> {
    const sidecar = new SidecarProcess(supervisor, spec, control.port, await token);
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

  /** `HOST:PORT` that leads to `namespace/service:port` of this sidecar's life. */
  localAddress(destination: string): string {
    const port = this.ports.localPorts[destination];
    if (port === undefined) throw new Error(`the sidecar of ${this.spec.instance} has no address for ${destination}`);
    return `127.0.0.1:${port}`;
  }

  private spawn(token: string): ManagedProcess {
    const { spec } = this;
    const args = ['proxy', '--namespace', spec.namespace, '--service', spec.service];
    args.push('--service-account', spec.serviceAccount, '--instance', spec.instance);
    for (const [name, value] of Object.entries(spec.labels ?? {})) args.push('--label', `${name}=${value}`);
    if (spec.applicationPort !== undefined) args.push('--port', `${spec.portName ?? 'http'}=${spec.applicationPort}`);
    if (spec.localAddresses === true) args.push('--local-addresses');
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
    // What went wrong, with its reason: in the logs folder, for whoever keeps it.
    args.push('--access-log', 'errors');
    return this.supervisor.start({
      name: `${spec.instance}-${spec.gateway === undefined ? 'sidecar' : 'gateway'}`,
      command: process.execPath,
      args: [...proxyV8Flags, weftProgram, ...args],
      // Not an argument: those are everybody's to read.
      environment: { ...proxyEnvironment, ...(token === '' ? {} : { WEFT_TOKEN: token }) },
    });
  }

  private async ready(): Promise<void> {
    const { process } = this;
    this.line = await waitUntil(`the sidecar of ${this.spec.instance} to be ready`, READY_MS, () => {
      if (!process.alive) throw new Hopeless(`${process.name} ended: ${process.lastWords()}`);
      const text = readFileSync(this.readyFile, 'utf8');
      return text.endsWith('\n') ? (JSON.parse(text) as ReadyLine) : undefined;
    });
  }
}
