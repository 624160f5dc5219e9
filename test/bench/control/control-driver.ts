/** A real control plane as a process of its own, over a folder of YAML. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LineProgram } from '../line-program.ts';
import { benchNamespace, benchTrustDomain } from '../subjects/weft-state.ts';
import { benchHost } from '../subjects/subject.ts';
import type { Processor, Workbench } from '../workbench.ts';

export type ControlCommand =
  | { readonly do: 'start'; readonly configFolder: string; readonly stateFolder: string; readonly trustDomain: string }
  | { readonly do: 'token'; readonly namespace: string; readonly service: string };

export interface Control {
  /** `host:port` of Sync. */
  readonly address: string;
  readonly group: number;
  /** Join token of a workload in the bench's namespace. */
  token(service: string): Promise<string>;
  /** Puts the one endpoint file of this number at a new application port. */
  moveEndpoint(index: number, port: number): void;
  /** Takes the endpoint file of this number away. */
  removeEndpoint(index: number): void;
  /** Attaches a route to `echo` whose request time-out is this. */
  routeWithTimeout(seconds: number): void;
  stop(): Promise<void>;
}

export interface ControlSetUp {
  readonly processor?: Processor;
  /** Application port of the first endpoint of `echo`. */
  readonly upstreamPort: number;
  /** Endpoints of `echo`, one file each. */
  readonly endpoints?: number;
}

const program = fileURLToPath(new URL('control-program.ts', import.meta.url));

export async function startControl(workbench: Workbench, setUp: ControlSetUp): Promise<Control> {
  const folder = workbench.makeFolder('control', 0o700);
  const configFolder = join(folder, 'mesh');
  mkdirSync(configFolder);
  writeFileSync(join(configFolder, 'mesh.yaml'), meshYaml());
  const { endpoints = 1, upstreamPort, processor = 'load' } = setUp;
  const moveEndpoint = (index: number, port: number): void =>
    writeFileSync(join(configFolder, `echo-${index}.yaml`), entryYaml(index, port));
  for (let index = 0; index < endpoints; index += 1) moveEndpoint(index, upstreamPort);
  const lines = new LineProgram(workbench, { command: process.execPath, args: [program], processor });
  const start = {
    do: 'start',
    configFolder,
    stateFolder: join(folder, 'state'),
    trustDomain: benchTrustDomain,
  } as const;
  const { address } = (await lines.ask(start satisfies ControlCommand)) as { address: string };
  return {
    address,
    group: lines.running.pid,
    moveEndpoint,
    removeEndpoint: (index) => rmSync(join(configFolder, `echo-${index}.yaml`), { force: true }),
    routeWithTimeout: (seconds) => writeFileSync(join(configFolder, 'route.yaml'), routeYaml(seconds)),
    async token(service) {
      const command = { do: 'token', namespace: benchNamespace, service } as const satisfies ControlCommand;
      return ((await lines.ask(command)) as { token: string }).token;
    },
    stop: () => lines.stop(),
  };
}

function meshYaml(): string {
  const service = (name: string): string => `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${benchNamespace}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
`;
  return [service(benchHost), service('client')].join('---\n');
}

function entryYaml(index: number, port: number): string {
  return `apiVersion: weft.dev/v1alpha1
kind: WorkloadEntry
metadata: {name: echo-${index}, namespace: ${benchNamespace}}
spec: {address: 127.0.0.1, ports: [{name: http, port: ${port}}], labels: {app: ${benchHost}}, serviceAccount: ${benchHost}}
`;
}

function routeYaml(seconds: number): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: echo, namespace: ${benchNamespace}}
spec:
  parentRefs: [{group: "", kind: Service, name: ${benchHost}, port: 80}]
  rules:
    - timeouts: {request: ${seconds}s}
      backendRefs: [{name: ${benchHost}, port: 80}]
`;
}
