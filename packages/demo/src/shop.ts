import { execFileSync } from 'node:child_process';
import type { StdioOptions } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { ask } from './json-http.ts';
import { LoadGenerator } from './load-generator.ts';
import { ControlProcess } from './control-process.ts';
import { SidecarProcess } from './sidecar-process.ts';
import type { ProcessSupervisor } from './process-supervisor.ts';
import { ServiceProcess } from './service-process.ts';
import { ConfigFolder, shopNamespace } from './shop-config.ts';
import { waitUntil } from './wait-until.ts';

/** One program and the sidecar beside it. */
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
}

const stockNames = ['stock-1', 'stock-2', 'stock-3'] as const;
const instanceNames = ['web', 'cart', 'orders-v1', 'orders-v2', ...stockNames] as const;
export type InstanceName = (typeof instanceNames)[number];

const CARRIES_MS = 10_000;

/** edge -> web -> cart -> orders (v1, v2) -> stock (three instances); each arrow is a call through two sidecars. */
export class Shop {
  readonly config: ConfigFolder;
  readonly control: ControlProcess;
  readonly edge: SidecarProcess;
  readonly load: LoadGenerator;
  readonly instances: ReadonlyMap<InstanceName, Instance>;
  /** What runs the cart: a Python interpreter's path, or empty where there is none. */
  readonly python: string;

  private constructor(
    config: ConfigFolder,
    control: ControlProcess,
    edge: SidecarProcess,
    load: LoadGenerator,
    instances: ReadonlyMap<InstanceName, Instance>,
    python: string,
  ) {
    this.config = config;
    this.control = control;
    this.edge = edge;
    this.load = load;
    this.instances = instances;
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
      { name: 'orders-v1', service: 'orders', version: 'v1' },
      { name: 'orders-v2', service: 'orders', version: 'v2' },
      ...stockNames.map((name) => ({ name, service: 'stock' })),
    ];
    const [edge, ...instances] = await Promise.all([
      startEdge(supervisor, control),
      ...specs.map((spec) => startInstance(supervisor, control, shopNamespace, spec)),
    ]);
    const byName = new Map(instances.map((instance) => [instance.name as InstanceName, instance]));
    const shop = new Shop(config, control, edge, load, byName, python);
    await waitUntil('a request to come through from the gateway to the stock', CARRIES_MS, async () => {
      const { status } = await ask(shop.edgePort, '/', { headers: { host: 'shop.test' } });
      return status === 200 ? true : undefined;
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
    return [this.edge, ...[...this.instances.values()].map(({ sidecar }) => sidecar)];
  }
}

/** A program, then the sidecar that is told its port. Both know where the sidecar's outbound proxy will be. */
export async function startInstance(
  supervisor: ProcessSupervisor,
  control: ControlProcess,
  namespace: string,
  spec: InstanceSpec,
): Promise<Instance> {
  const { name, service: serviceName, version = '', python = '' } = spec;
  // Made while the program starts; who awaits it deals with its failure.
  const token = control.createToken(namespace, serviceName, serviceName);
  token.catch(() => {});
  const outboundPort = await freePort();
  const service = await ServiceProcess.start(supervisor, {
    service: serviceName,
    instance: name,
    version,
    proxyPort: outboundPort,
    ...(python === '' ? {} : { python }),
  });
  const sidecar = await SidecarProcess.start(
    supervisor,
    {
      instance: name,
      namespace,
      service: serviceName,
      serviceAccount: serviceName,
      labels: version === '' ? {} : { version },
      applicationPort: service.port,
      outboundPort,
    },
    control,
    token,
  );
  return { name, serviceAccount: serviceName, service, sidecar };
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
