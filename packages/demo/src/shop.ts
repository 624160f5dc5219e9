import { execFileSync } from 'node:child_process';
import type { StdioOptions } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, holdPort } from './free-port.ts';
import { ask } from './json-http.ts';
import { LoadGenerator } from './load-generator.ts';
import { ControlProcess } from './control-process.ts';
import { DatabaseProcess } from './database-process.ts';
import { SidecarProcess } from './sidecar-process.ts';
import type { ProcessSupervisor } from './process-supervisor.ts';
import { ServiceProcess } from './service-process.ts';
import { ConfigFolder, shopNamespace } from './shop-config.ts';
import { waitUntil } from './wait-until.ts';

/** One program of the shop's own and the sidecar beside it. */
export interface Instance {
  readonly name: string;
  readonly serviceAccount: string;
  readonly service: ServiceProcess;
  readonly sidecar: SidecarProcess;
}

export interface InstanceSpec {
  readonly name: string;
  readonly service: string;
  readonly version?: string;
  readonly python?: string;
  /** Name of its port; `http` when absent. */
  readonly portName?: string;
  /**
   * Settings of the program that are addresses of its sidecar: `namespace/service:port` by name. Its sidecar starts first
   * then, as with `weft run`.
   */
  readonly calls?: Readonly<Record<string, string>>;
}

/** A program that is none of ours, and the sidecar beside it. */
export interface DatabaseInstance {
  readonly server: DatabaseProcess;
  readonly sidecar: SidecarProcess;
}

const pricesKey = `${shopNamespace}/prices:80`;
export const databaseKey = `${shopNamespace}/db:7379`;

const stockNames = ['stock-1', 'stock-2', 'stock-3'] as const;
const instanceNames = ['web', 'cart', 'orders-v1', 'orders-v2', 'prices', ...stockNames] as const;
export type InstanceName = (typeof instanceNames)[number];

const CARRIES_MS = 60_000;

/**
 * edge -> web -> cart -> orders (v1, v2) -> stock (three instances), and orders -> prices (gRPC) -> database (TCP). Each
 * arrow is a call through two sidecars.
 */
export class Shop {
  readonly config: ConfigFolder;
  readonly control: ControlProcess;
  readonly edge: SidecarProcess;
  readonly load: LoadGenerator;
  readonly instances: ReadonlyMap<InstanceName, Instance>;
  readonly database: DatabaseInstance;
  /** What runs the cart: a Python interpreter's path, or empty where there is none. */
  readonly python: string;

  private constructor(
    config: ConfigFolder,
    control: ControlProcess,
    edge: SidecarProcess,
    load: LoadGenerator,
    instances: ReadonlyMap<InstanceName, Instance>,
    database: DatabaseInstance,
    python: string,
  ) {
    this.config = config;
    this.control = control;
    this.edge = edge;
    this.load = load;
    this.instances = instances;
    this.database = database;
    this.python = python;
  }

  static async start(supervisor: ProcessSupervisor): Promise<Shop> {
    const python = findPython();
    const config = new ConfigFolder(makeFolder(supervisor, 'mesh'));
    const load = new LoadGenerator(supervisor, 'load');
    const control = await ControlProcess.start(supervisor, 'control', config.path);
    const specs: InstanceSpec[] = [
      { name: 'web', service: 'web' },
      { name: 'cart', service: 'cart', python },
      { name: 'orders-v1', service: 'orders', version: 'v1', calls: { PRICES: pricesKey } },
      { name: 'orders-v2', service: 'orders', version: 'v2', calls: { PRICES: pricesKey } },
      { name: 'prices', service: 'prices', portName: 'grpc', calls: { DATABASE: databaseKey } },
      ...stockNames.map((name) => ({ name, service: 'stock' })),
    ];
    const [edge, database, ...instances] = await Promise.all([
      startEdge(supervisor, control),
      startDatabase(supervisor, control),
      ...specs.map((spec) => startInstance(supervisor, control, shopNamespace, spec)),
    ]);
    const byName = new Map(instances.map((instance) => [instance.name as InstanceName, instance]));
    const shop = new Shop(config, control, edge, load, byName, database, python);
    await waitUntil('a request to come through from the gateway to the stock', CARRIES_MS, async () => {
      const { status, text } = await ask(shop.edgePort, '/', { headers: { host: 'shop.test' } });
      if (status !== 200) throw new Error(`it answers ${status}, ${text.trim()}`);
      return true;
    });
    return shop;
  }

  instance(name: InstanceName): Instance {
    return this.instances.get(name)!;
  }

  /** The three instances of the stock. */
  get stock(): Instance[] {
    return stockNames.map((name) => this.instance(name));
  }

  /** Where people and the load generator knock. */
  get edgePort(): number {
    return Object.values(this.edge.ports.gatewayPorts)[0] ?? -1;
  }

  /** Every proxy: the gateway and all sidecars. */
  get sidecars(): SidecarProcess[] {
    return [this.edge, this.database.sidecar, ...[...this.instances.values()].map(({ sidecar }) => sidecar)];
  }
}

/** A program and its sidecar. Both know where the sidecar's outbound proxy will be. */
export async function startInstance(
  supervisor: ProcessSupervisor,
  control: ControlProcess,
  namespace: string,
  spec: InstanceSpec,
): Promise<Instance> {
  const { name, service: serviceName, version = '', python = '', portName = 'http', calls } = spec;
  // Made while the program starts; who awaits it deals with its failure.
  const token = control.createToken(namespace, serviceName, serviceName);
  token.catch(() => {});
  const outboundPort = await freePort();
  const startService = (port: number, environment: Readonly<Record<string, string>>): Promise<ServiceProcess> =>
    ServiceProcess.start(supervisor, {
      service: serviceName,
      instance: name,
      version,
      proxyPort: outboundPort,
      port,
      environment,
      ...(python === '' ? {} : { python }),
    });
  const startSidecar = (applicationPort: number): Promise<SidecarProcess> =>
    SidecarProcess.start(
      supervisor,
      {
        instance: name,
        namespace,
        service: serviceName,
        serviceAccount: serviceName,
        labels: version === '' ? {} : { version },
        applicationPort,
        portName,
        localAddresses: calls !== undefined,
        outboundPort,
      },
      control,
      token,
    );
  if (calls === undefined) {
    const service = await startService(0, {});
    return { name, serviceAccount: serviceName, service, sidecar: await startSidecar(service.port) };
  }
  const { port, release } = await holdPort();
  const sidecar = await startSidecar(port);
  const addresses = Object.entries(calls).map(([setting, key]) => [setting, sidecar.localAddress(key)] as const);
  await release();
  const service = await startService(port, Object.fromEntries(addresses));
  return { name, serviceAccount: serviceName, service, sidecar };
}

async function startDatabase(supervisor: ProcessSupervisor, control: ControlProcess): Promise<DatabaseInstance> {
  const token = control.createToken(shopNamespace, 'db', 'db');
  token.catch(() => {});
  const server = await DatabaseProcess.start(supervisor, 'db');
  const spec = {
    instance: 'db',
    namespace: shopNamespace,
    service: 'db',
    serviceAccount: 'db',
    applicationPort: server.port,
    portName: 'data',
    outboundPort: -1,
  };
  return { server, sidecar: await SidecarProcess.start(supervisor, spec, control, token) };
}

function startEdge(supervisor: ProcessSupervisor, control: ControlProcess): Promise<SidecarProcess> {
  const spec = {
    instance: 'edge',
    namespace: shopNamespace,
    service: 'edge',
    serviceAccount: 'edge',
    outboundPort: -1,
    gateway: `${shopNamespace}/edge`,
  };
  return SidecarProcess.start(supervisor, spec, control, control.createToken(shopNamespace, 'edge', 'edge'));
}

export function makeFolder(supervisor: ProcessSupervisor, name: string): string {
  const path = join(supervisor.folder, name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

/** The interpreter itself, not a launcher of it: signals must reach the program. */
function findPython(): string {
  try {
    const stdio: StdioOptions = ['ignore', 'pipe', 'ignore'];
    return execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
      encoding: 'utf8',
      stdio,
      timeout: 5_000,
    }).trim();
  } catch {
    return '';
  }
}
