import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemorySource, startControlPlane } from '@weft/control';
import type { ControlPlane, Log } from '@weft/control';
import { TimerWheel, systemRandom } from '@weft/kernel';
import type { Random } from '@weft/kernel';
import { startProxy } from '@weft/proxy';
import type { Proxy, ProxyOptions } from '@weft/proxy';
import { Application } from './application.ts';
import type { ApplicationFault, ApplicationHandler } from './application.ts';
import { MeshClock } from './mesh-clock.ts';
import { meshFetch } from './mesh-fetch.ts';
import type { MeshRequest } from './mesh-fetch.ts';

/** What a service of the mesh is. Without handler and port it only calls. */
export interface ServiceOptions {
  /** Serves the requests; one HTTP server is started for each instance. */
  readonly handler?: ApplicationHandler;
  /** Of an application that listens on loopback already, in place of a handler; one instance. */
  readonly port?: number;
  /** What the application speaks, as a Service declares it; `http` when absent. */
  readonly appProtocol?: string;
  /** 1 when absent. */
  readonly instances?: number;
  /** Besides `app: <name>`; for Services of your own that select a version. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** In the order of the instances; absent means none. */
export interface MeshFault extends Partial<ApplicationFault> {
  readonly service: string;
  /** All of them when absent. */
  readonly instance?: number;
}

export interface MeshOptions {
  readonly services: Readonly<Record<string, ServiceOptions>>;
  /** YAML of any kind that Weft reads; a Service on port 80 for each of `services` is there without it. */
  readonly routes?: string;
  /** What instances suffer from the start. */
  readonly faults?: readonly MeshFault[];
  /** Names of Gateways (in `routes`) to start a proxy for. */
  readonly gateways?: readonly string[];
  /** `default` when absent. */
  readonly namespace?: string;
  /** For a run that repeats itself; the system's when absent. */
  readonly random?: Random;
  readonly leafLifetimeMs?: number;
  /** Where sidecars send spans and log lines. */
  readonly exports?: NonNullable<ProxyOptions['exports']>;
}

/** A mesh that runs until `stop`. Services are named as in `MeshOptions.services`, instances count from 0. */
export interface TestMesh {
  /** The time of the mesh: jump over waits with `mesh.clock.advance(ms)`. */
  readonly clock: MeshClock;
  readonly control: ControlPlane;
  /**
   * Calls `url` as the program of `caller` would (its first instance), or as a client in front of a gateway of that
   * name. Resolves with any answer; rejects when the connection fails.
   */
  fetch(caller: string, url: string, init?: MeshRequest): Promise<Response>;
  /**
   * Puts YAML into force under the name of a file and resolves when every proxy has it. Rejects with the problems,
   * one a line, when something in it is wrong; what was right in it is in force then.
   */
  apply(yaml: string, file?: string): Promise<void>;
  /** Instances answer with `status` (503 when absent), or reset connections. All instances when none is named. */
  break(service: string, instance?: number, status?: number | 'reset'): void;
  /** Instances take `delayMs` longer. */
  slow(service: string, delayMs: number, instance?: number): void;
  /** Undoes `break` and `slow`. */
  heal(service: string, instance?: number): void;
  /** Requests that reached the applications, by instance: counted there, not by the mesh. */
  requests(service: string): number[];
  /** An instance leaves as on SIGTERM; resolves when it is gone. */
  drain(service: string, instance: number): Promise<void>;
  /** Of an instance, or of the gateway of that name. */
  proxy(service: string, instance?: number): Proxy;
  /** What control plane and proxies said, for a test that failed. */
  readonly log: readonly string[];
  /** Ends everything; nothing is left open or on disk. */
  stop(): Promise<void>;
}

const READY_MS = 15_000;
const POLL_MS = 2;
const SERVICES_FILE = 'services.yaml';

interface Instance {
  readonly proxy: Proxy;
  readonly application: Application | null;
  gone: boolean;
}

/** Starts a mesh; resolves when every proxy of it is ready. Rejects, with nothing left open, when one is not. */
export async function startMesh(options: MeshOptions): Promise<TestMesh> {
  const mesh = new RunningMesh(options);
  try {
    await mesh.start();
  } catch (error) {
    await mesh.stop();
    throw new Error(`${(error as Error).message}\n${mesh.log.join('\n')}`, { cause: error });
  }
  return mesh;
}

class RunningMesh implements TestMesh {
  readonly clock: MeshClock;
  readonly log: string[];
  private readonly options: MeshOptions;
  private readonly namespace: string;
  private readonly folder: string;
  private readonly wheel: TimerWheel;
  private readonly random: Random;
  private readonly source: MemorySource;
  private readonly services: Map<string, Instance[]>;
  private readonly gateways: Map<string, Proxy>;
  private plane: ControlPlane | null;

  constructor(options: MeshOptions) {
    this.options = options;
    this.namespace = options.namespace ?? 'default';
    this.clock = new MeshClock();
    this.log = [];
    this.folder = mkdtempSync(join(tmpdir(), 'weft-mesh-'));
    this.wheel = new TimerWheel(this.clock);
    this.wheel.start();
    this.random = options.random ?? systemRandom;
    this.source = new MemorySource({
      [SERVICES_FILE]: Object.entries(options.services)
        .map(([name, { appProtocol }]) => serviceYaml(this.namespace, name, appProtocol ?? 'http'))
        .join('---\n'),
      'routes.yaml': options.routes ?? '',
    });
    this.services = new Map();
    this.gateways = new Map();
    this.plane = null;
  }

  get control(): ControlPlane {
    if (this.plane === null) throw new Error('the mesh has not started');
    return this.plane;
  }

  async start(): Promise<void> {
    const { leafLifetimeMs } = this.options;
    this.plane = await startControlPlane({
      name: 'control',
      source: this.source,
      stateFolder: join(this.folder, 'control'),
      host: '127.0.0.1',
      port: 0,
      adminSocket: join(this.folder, 'control.sock'),
      ...(leafLifetimeMs === undefined ? {} : { leafLifetimeMs }),
      clock: this.clock,
      wheel: this.wheel,
      random: this.random,
      log: this.logOf('control'),
    });
    this.throwProblems('routes.yaml');
    const started = Object.entries(this.options.services).map(([name, service]) => this.startService(name, service));
    await Promise.all([...started, ...(this.options.gateways ?? []).map((name) => this.startGateway(name))]);
    for (const { service, instance, ...fault } of this.options.faults ?? []) {
      for (const application of this.applications(service, instance)) application.suffer(fault);
    }
    await this.settled();
  }

  fetch(caller: string, url: string, init: MeshRequest = {}): Promise<Response> {
    const gateway = this.gateways.get(caller);
    if (gateway === undefined) return meshFetch(this.proxy(caller).outboundPort, url, true, init);
    const { port } = new URL(url);
    const listened = gateway.gatewayPorts.get(port === '' ? 80 : Number(port));
    if (listened === undefined) throw new Error(`gateway ${caller} does not listen on port ${port === '' ? 80 : port}`);
    return meshFetch(listened, url, false, init);
  }

  async apply(yaml: string, file = 'routes.yaml'): Promise<void> {
    this.source.put(file, yaml);
    await this.settled();
    this.throwProblems(file);
  }

  break(service: string, instance?: number, status: number | 'reset' = 503): void {
    for (const application of this.applications(service, instance)) application.suffer({ status });
  }

  slow(service: string, delayMs: number, instance?: number): void {
    for (const application of this.applications(service, instance)) application.suffer({ delayMs });
  }

  heal(service: string, instance?: number): void {
    for (const application of this.applications(service, instance)) application.heal();
  }

  requests(service: string): number[] {
    return this.instances(service).map(({ application }) => application?.requests ?? 0);
  }

  async drain(service: string, instance: number): Promise<void> {
    const leaving = this.instances(service)[instance];
    if (leaving === undefined) throw new Error(`${service} has no instance ${instance}`);
    if (leaving.gone) return;
    leaving.gone = true;
    await leaving.proxy.drain();
    await leaving.proxy.stop();
    await leaving.application?.stop();
  }

  proxy(service: string, instance = 0): Proxy {
    const gateway = this.gateways.get(service);
    if (gateway !== undefined) return gateway;
    const found = this.instances(service)[instance];
    if (found === undefined) throw new Error(`${service} has no instance ${instance}`);
    return found.proxy;
  }

  async stop(): Promise<void> {
    const ends: Promise<void>[] = [...this.gateways.values()].map((proxy) => proxy.stop());
    for (const instance of [...this.services.values()].flat()) {
      if (instance.gone) continue;
      instance.gone = true;
      ends.push(instance.proxy.stop());
      if (instance.application !== null) ends.push(instance.application.stop());
    }
    await Promise.all(ends);
    await this.plane?.stop();
    this.plane = null;
    this.wheel.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async startService(name: string, service: ServiceOptions): Promise<void> {
    const instances: Instance[] = [];
    this.services.set(name, instances);
    for (let index = 0; index < (service.instances ?? 1); index += 1) {
      const application = service.handler === undefined ? null : await Application.start(service.handler, index);
      const port = application?.port ?? service.port ?? 0;
      const inbound = port === 0 ? [] : [{ applicationPort: port, name: 'http', applicationHost: '127.0.0.1' }];
      try {
        const proxy = await this.startProxy(name, `${name}-${index}`, {
          inbound,
          labels: { app: name, ...service.labels },
          service: name,
          outboundPort: 0,
        });
        instances.push({ proxy, application, gone: false });
      } catch (error) {
        await application?.stop();
        throw error;
      }
    }
  }

  private async startGateway(name: string): Promise<void> {
    const declared = this.control
      .status()
      .objects.filter(({ kind, namespace, name: found }) => kind === 'Gateway' && found === name && namespace !== '');
    if (declared.length === 0) throw new Error(`there is no Gateway ${name} in the routes`);
    const proxy = await this.startProxy(name, `${name}-0`, {
      mode: 'gateway',
      gateway: `${this.namespace}/${name}`,
      labels: { app: name },
      gatewayPorts: new AnyPort(),
    });
    this.gateways.set(name, proxy);
    await until(() => proxy.gatewayPorts.size > 0, `gateway ${name} opens a port`);
  }

  private async startProxy(name: string, instance: string, options: Partial<ProxyOptions>): Promise<Proxy> {
    const { token } = await this.control.createToken({ namespace: this.namespace, service: name });
    const proxy = await startProxy({
      mode: 'sidecar',
      namespace: this.namespace,
      name,
      serviceAccount: name,
      instance,
      labels: {},
      node: '',
      zone: '',
      weight: 100,
      service: '',
      gateway: '',
      controlAddress: this.control.address,
      token,
      stateFolder: '',
      inbound: [],
      meshHost: '127.0.0.1',
      outboundPort: -1,
      localAddresses: false,
      gatewayHost: '127.0.0.1',
      certificateFolder: '',
      gatewayPorts: new Map(),
      statsPort: -1,
      metricsPort: 0,
      metricsHost: '127.0.0.1',
      adminSocket: '',
      accessLog: 'Never',
      drainDeadlineMs: 5_000,
      maxConnections: 0,
      keyAgreement: 'hybrid',
      version: 'test',
      log: this.logOf(instance),
      setLogLevel: () => false,
      clock: this.clock,
      random: this.random,
      ...(this.options.exports === undefined ? {} : { exports: this.options.exports }),
      ...options,
    });
    try {
      await proxy.whenReady(READY_MS);
    } catch (error) {
      await proxy.stop();
      throw error;
    }
    return proxy;
  }

  /** Resolves when every object is held by all proxies that it concerns. */
  private settled(): Promise<void> {
    return until(
      () => this.control.status().objects.every(({ proxies, programmed }) => programmed >= proxies),
      'every proxy has the configuration',
    );
  }

  private throwProblems(file: string): void {
    const lines: string[] = [];
    for (const object of this.control.status().objects) {
      if (object.file !== file) continue;
      for (const { severity, line, path, message } of object.problems) {
        if (severity === 'error') lines.push(`${file}:${line} ${object.kind} ${object.name} ${path}: ${message}`);
      }
    }
    if (lines.length > 0) throw new Error(lines.join('\n'));
  }

  private instances(service: string): readonly Instance[] {
    const instances = this.services.get(service);
    if (instances !== undefined) return instances;
    throw new Error(`there is no service ${service}; there are ${[...this.services.keys()].join(', ')}`);
  }

  private applications(service: string, instance: number | undefined): readonly Application[] {
    const all = this.instances(service);
    const chosen = instance === undefined ? all : all.slice(instance, instance + 1);
    const applications = chosen.flatMap(({ application }) => (application === null ? [] : [application]));
    if (applications.length === 0) throw new Error(`${service} has no handler here that could be made to suffer`);
    return applications;
  }

  private logOf(who: string): Log & { debug(message: string): void } {
    const line = (level: string, message: string, fields: object = {}): void => {
      this.log.push(`${level} ${who}: ${message} ${JSON.stringify(fields)}`);
    };
    return {
      debug: () => {},
      info: (message, fields) => line('info', message, fields),
      warn: (message, fields) => line('warn', message, fields),
      error: (message, fields) => line('error', message, fields),
    };
  }
}

/** Whatever port a Gateway declares, a free one is taken: low ones need a privilege, and tests run side by side. */
class AnyPort extends Map<number, number> {
  override get(): number {
    return 0;
  }
}

function serviceYaml(namespace: string, name: string, appProtocol: string): string {
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: http, appProtocol: ${appProtocol}}]}
`;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + READY_MS;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`not within ${READY_MS} ms: ${what}`);
    await new Promise<void>((resolve) => void setTimeout(resolve, POLL_MS));
  }
}
