import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LoadGenerator } from './load-generator.ts';
import { ControlProcess } from './control-process.ts';
import type { ProcessSupervisor } from './process-supervisor.ts';
import { type Instance, makeFolder, startInstance } from './shop.ts';
import { ConfigFolder } from './shop-config.ts';

export const shortLivedNamespace = 'brief';
export const shortLivedTrustDomain = 'brief.test';

const files = {
  'mesh.yaml': `apiVersion: weft.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  trustDomain: ${shortLivedTrustDomain}
  egress: DeclaredOnly
  identity: {leafLifetime: 10s}
  required: {authentication: {mtls: {mode: Strict}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ${shortLivedNamespace}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: ${shortLivedNamespace}}
spec: {selector: {app: orders}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: stock, namespace: ${shortLivedNamespace}}
spec: {selector: {app: stock}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
`,
};

/** A mesh of its own whose leaf certificates live 10 s: web may call orders and stock. */
export class ShortLivedMesh {
  readonly control: ControlProcess;
  readonly load: LoadGenerator;
  readonly web: Instance;
  readonly orders: Instance;
  readonly stock: Instance;
  /** Key and leaf of web's first life, long expired when they are used. */
  readonly firstLeaf: string;

  private constructor(
    control: ControlProcess,
    load: LoadGenerator,
    instances: readonly [Instance, Instance, Instance],
  ) {
    this.control = control;
    this.load = load;
    [this.web, this.orders, this.stock] = instances;
    this.firstLeaf = readFileSync(join(this.web.sidecar.stateFolder, 'svid.pem'), 'utf8');
  }

  static async start(supervisor: ProcessSupervisor): Promise<ShortLivedMesh> {
    const config = new ConfigFolder(makeFolder(supervisor, 'brief-mesh'), files);
    const load = new LoadGenerator(supervisor, 'brief-load');
    const control = await ControlProcess.start(supervisor, 'brief-control', config.path);
    const start = (service: string): Promise<Instance> =>
      startInstance(supervisor, control, shortLivedNamespace, { name: `brief-${service}`, service });
    return new ShortLivedMesh(control, load, await Promise.all([start('web'), start('orders'), start('stock')]));
  }
}
