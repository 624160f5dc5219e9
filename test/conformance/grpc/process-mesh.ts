import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { weftProgram } from '@weft/cli';
import { eventually, freePorts } from '@weft/testkit';
import { needTool } from '../tool-run.ts';

const WAIT_MS = 30_000;
const KEPT = 8_000;

/** A service in front of which a sidecar is started. */
export interface MeshService {
  readonly name: string;
  readonly port: number;
  /** As in `appProtocol` of the Service. */
  readonly appProtocol: string;
}

/** A control plane, a sidecar for each service, and one for callers: processes of their own, mutual TLS between sidecars. */
export class ProcessMesh {
  private readonly folder: string;
  private readonly children: Map<string, ChildProcess>;
  private readonly said: Map<string, string>;
  private localPorts: Readonly<Record<string, number>>;

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'weft-conformance-'));
    this.children = new Map();
    this.said = new Map();
    this.localPorts = {};
  }

  static async start(services: readonly MeshService[]): Promise<ProcessMesh> {
    const mesh = new ProcessMesh();
    try {
      await mesh.begin(services);
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** Where callers reach a service, through both sidecars. */
  localPort(service: string): number {
    const port = this.localPorts[`shop/${service}:80`];
    if (port === undefined) throw new Error(`no local port of ${service}: ${JSON.stringify(this.localPorts)}`);
    return port;
  }

  /** Starts a program that lives as long as the mesh, and waits until it listens on the port. */
  async run(name: string, command: string, args: readonly string[], port: number): Promise<void> {
    const child = this.spawn(name, command, args);
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${this.output(name)}`);
      const socket = connect({ port, host: '127.0.0.1' });
      await once(socket, 'connect');
      socket.destroy();
    }, WAIT_MS);
  }

  /** Whether a sidecar logged a request of this direction, under mutual TLS. */
  carried(service: string, direction: 'inbound' | 'outbound'): boolean {
    return this.output(`sidecar of ${service}`)
      .split('\n')
      .some((line) => line.includes(`"direction":"${direction}"`) && /"flags":\[[^\]]*"mtls"/.test(line));
  }

  /** The end of what a process said. */
  output(name: string): string {
    return this.said.get(name) ?? '';
  }

  async stop(): Promise<void> {
    for (const child of [...this.children.values()].toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async begin(services: readonly MeshService[]): Promise<void> {
    const config = join(this.folder, 'config');
    mkdirSync(config);
    writeFileSync(join(config, 'services.yaml'), ['caller', ...services].map(serviceYaml).join('---\n'));
    const [controlPort] = (await freePorts(1)) as [number];
    const socket = join(this.folder, 'control.sock');
    const state = join(this.folder, 'control');
    const quiet = ['--stats-port=-1', '--metrics-port=-1', '--outbound-port=-1', '--access-log=always'];
    const where = ['--config', config, '--state', state, '--port', String(controlPort), '--admin-socket', socket];
    await this.weft('control', ['control', ...where, '--metrics-port=-1']);
    const sidecar = async (name: string, flags: readonly string[]): Promise<Ready> => {
      const ask = ['token', 'create', '--namespace', 'shop', '--service', name, '-o', 'json', '--admin-socket', socket];
      const created = await needTool(process.execPath, [weftProgram, ...ask], { timeoutMs: WAIT_MS });
      const { token } = JSON.parse(created.slice(created.indexOf('{'))) as { token: string };
      const who = ['--namespace', 'shop', '--service', name, '--instance', `${name}-1`, '--label', `app=${name}`];
      const joins = ['--control', `127.0.0.1:${controlPort}`, '--state', join(this.folder, name), '--token', token];
      return this.weft<Ready>(`sidecar of ${name}`, ['proxy', ...who, ...joins, ...quiet, ...flags]);
    };
    for (const { name, port } of services) await sidecar(name, ['--port', `grpc=${port}`]);
    this.localPorts = (await sidecar('caller', ['--local-addresses'])).localPorts;
  }

  private async weft<T>(name: string, args: readonly string[]): Promise<T> {
    const readyFile = join(this.folder, `${name.replaceAll(' ', '-')}.ready`);
    const child = this.spawn(name, process.execPath, [weftProgram, ...args, '--ready-file', readyFile]);
    return eventually(() => {
      if (child.exitCode !== null) throw new Error(`${name} ended: ${this.output(name)}`);
      return JSON.parse(readFileSync(readyFile, 'utf8')) as T;
    }, WAIT_MS);
  }

  private spawn(name: string, command: string, args: readonly string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.children.set(name, child);
    child.on('error', (error) => this.said.set(name, error.message));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.said.set(name, `${this.output(name)}${chunk.toString()}`.slice(-KEPT));
      });
    }
    return child;
  }
}

interface Ready {
  readonly localPorts: Readonly<Record<string, number>>;
}

function serviceYaml(service: MeshService | string): string {
  const name = typeof service === 'string' ? service : service.name;
  const protocol = typeof service === 'string' ? 'http' : service.appProtocol;
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: {app: ${name}}, ports: [{name: main, port: 80, targetPort: grpc, appProtocol: ${protocol}}]}
`;
}
