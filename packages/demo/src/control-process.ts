import { execFile } from 'node:child_process';
import type { ExecFileException } from 'node:child_process';
import { connect } from 'node:net';
import type { NetConnectOpts } from 'node:net';
import { join } from 'node:path';
import { weftProgram } from '@weft/cli';
import { AdminClient } from '@weft/wire';
import { freePort } from './free-port.ts';
import type { ManagedProcess, ProcessSupervisor } from './process-supervisor.ts';
import { Hopeless, waitUntil } from './wait-until.ts';

/** A machine that does much else at the time starts programs slowly. */
const READY_MS = 60_000;
const COMMAND_MS = 15_000;

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
    args.push('--metrics-port', String(metricsPort), '--dashboard-port', String(await freePort()));
    const control = new ControlProcess(supervisor, name, args, port, adminSocket);
    await control.ready();
    return control;
  }

  /** After it was killed. */
  async restart(): Promise<void> {
    this.process = this.spawn();
    await this.ready();
  }

  /**
   * What a service's sidecar joins with: for one workload, once. Asked as `weft token create` asks, without a process for
   * each: a dozen of those at once are most of the work of starting the demo.
   */
  async createToken(namespace: string, service: string, serviceAccount: string): Promise<string> {
    const admin = new AdminClient(this.adminSocket);
    try {
      const created = await admin.createToken({ namespace, service, serviceAccount, lifetimeMs: 0 });
      if (!created.ok) throw new Error(`token for ${namespace}/${service}: ${created.error.message}`);
      return created.value.token;
    } finally {
      admin.close();
    }
  }

  /** The address of the dashboard, with what lets one in. */
  async dashboard(): Promise<string> {
    return (await this.ask<{ url: string }>(['dashboard', '--no-open'])).url;
  }

  /** Runs a command of the CLI that asks the control plane, as a person would; the caller names the shape of its JSON. */
  async ask<T>(command: readonly string[]): Promise<T> {
    const { stdout, stderr, ending } = await new Promise<CommandOutput>((resolve) => {
      execFile(
        process.execPath,
        [weftProgram, ...command, '--admin-socket', this.adminSocket, '-o', 'json'],
        { timeout: COMMAND_MS, maxBuffer: 1 << 26, env: this.supervisor.environment },
        // Exit code 1 says that what was asked about is not well, with the answer printed all the same.
        (error, stdout, stderr) => resolve({ stdout, stderr, ending: describeEnding(error) }),
      );
    });
    try {
      return JSON.parse(stdout) as T;
    } catch {
      throw new Error(`weft ${command.join(' ')}: ${stderr.trim() || stdout.trim() || `no answer, ${ending}`}`);
    }
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
      if (!process.alive) throw new Hopeless(`${this.name} ended: ${process.lastWords()}`);
      // The socket of commands is opened after the port of sidecars; one of the life before is there and refuses.
      const both = await Promise.all([
        isListening({ port: this.port, host: '127.0.0.1' }),
        isListening({ path: this.adminSocket }),
      ]);
      return both.every((listens) => listens) ? true : undefined;
    });
  }
}

interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
  /** How the command ended. */
  readonly ending: string;
}

function describeEnding(error: ExecFileException | null): string {
  if (error === null) return 'ended with 0';
  if (error.killed === true) return `ended after ${COMMAND_MS} ms`;
  return typeof error.signal === 'string' ? `killed by ${error.signal}` : `ended with ${error.code}`;
}

function isListening(where: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
