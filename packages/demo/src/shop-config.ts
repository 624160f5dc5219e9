import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const shopNamespace = 'shop';
export const shopTrustDomain = 'shop.test';

/** SPIFFE ID of a service account of the shop. */
export function shopId(serviceAccount: string): string {
  return `spiffe://${shopTrustDomain}/ns/${shopNamespace}/sa/${serviceAccount}`;
}

/** The shop's configuration by file name: what a person would write, edit and keep in git. */
const shopFiles: Readonly<Record<string, string>> = {
  'mesh.yaml': `# What holds for the whole mesh.
apiVersion: weft.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  trustDomain: ${shopTrustDomain}
  egress: DeclaredOnly
  required: {authentication: {mtls: {mode: Strict}}}
`,
  'services.yaml': `# The names that may be called. Instances come and go by themselves: each sidecar announces its own.
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: shop}
spec: {selector: {app: edge}, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: orders, namespace: shop}
spec: {selector: {app: orders}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: orders-v1, namespace: shop}
spec: {selector: {app: orders, version: v1}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: orders-v2, namespace: shop}
spec: {selector: {app: orders, version: v2}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: stock, namespace: shop}
spec: {selector: {app: stock}, ports: [{name: http, port: 80, targetPort: http, appProtocol: http}]}
`,
  'prices.yaml': `# A gRPC service, and a database that nothing is said of: the sidecar in front of it finds out what it speaks.
apiVersion: v1
kind: Service
metadata: {name: prices, namespace: shop}
spec: {selector: {app: prices}, ports: [{name: grpc, port: 80, targetPort: grpc, appProtocol: grpc}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: prices, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: prices}]
  rules:
  - name: read
    matches:
    - {method: {service: shop.v1.Prices, method: Get}}
    - {method: {service: shop.v1.Prices, method: Watch}}
    backendRefs: [{name: prices, port: 80}]
---
# Nobody runs it yet.
apiVersion: v1
kind: Service
metadata: {name: gifts, namespace: shop}
spec: {selector: {app: gifts}, ports: [{name: grpc, port: 80, targetPort: grpc, appProtocol: grpc}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{name: data, port: 7379, targetPort: data}]}
`,
  'edge.yaml': `# The way in: a Gateway and what it leads to.
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  gatewayClassName: weft
  listeners:
  - {name: http, port: 80, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: front, namespace: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - name: page
    matches: [{path: {type: PathPrefix, value: /}}]
    backendRefs: [{name: web, port: 80}]
`,
  'canary.yaml': `# Two versions of orders. Change the weights and watch the shares follow.
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: orders}]
  rules:
  - name: canary
    filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: x-config, value: first}]}
    backendRefs:
    - {name: orders-v1, port: 80, weight: 80}
    - {name: orders-v2, port: 80, weight: 20}
`,
};

/** Configuration as a person has it: a folder of YAML files. */
export class ConfigFolder {
  readonly path: string;

  constructor(path: string, files: Readonly<Record<string, string>> = shopFiles) {
    this.path = path;
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), 'utf8');
  }

  /** Writes as editors do: a new file that takes the place of the old one. Returns when it did, Unix milliseconds. */
  write(file: string, text: string): number {
    const path = join(this.path, file);
    const fresh = join(this.path, `.${file}.new`);
    writeFileSync(fresh, text);
    renameSync(fresh, path);
    return Date.now();
  }

  /** Changes a part of a file. Throws when the part is not there. */
  edit(file: string, part: RegExp | string, replacement: string): number {
    const before = this.read(file);
    const after = before.replace(part, replacement);
    if (after === before && !before.includes(replacement)) throw new Error(`${file} holds no ${String(part)}`);
    return this.write(file, after);
  }

  /** Shares of the two versions of orders. */
  setCanary(v1: number, v2: number): number {
    const text = this.read('canary.yaml')
      .replace(/(orders-v1, port: 80, weight: )\d+/, `$1${v1}`)
      .replace(/(orders-v2, port: 80, weight: )\d+/, `$1${v2}`);
    return this.write('canary.yaml', text);
  }

  /** What answers by the route of orders say of the configuration in force. */
  setConfigMark(mark: string): number {
    return this.edit('canary.yaml', /(name: x-config, value: )[\w-]+/, `$1${mark}`);
  }
}
