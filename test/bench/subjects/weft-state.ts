/**
 * State folders of sidecars that serve from what an earlier life was told: key, leaf, roots, snapshot, ports. No control
 * plane is needed, and every bench of the request path has the same start.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, openStateFolder, readAuthority, toCaPem, workloadId, writeSealedFile } from '@weft/identity';
import type { Authority } from '@weft/identity';
import { systemClock } from '@weft/kernel';
import { builtInDefaults } from '@weft/model';
import type { ApplicationProtocol, DestinationKey, Resource } from '@weft/model';
import { encodeSnapshot, versionResource } from '@weft/wire';
import type { Workbench } from '../workbench.ts';
import { benchHost } from './subject.ts';
import type { Application } from './subject.ts';

export const benchNamespace = 'bench';
export const benchTrustDomain = 'bench.test';
const DAY_MS = 86_400_000;

/** The service every request is for; the port is what `Host: echo` means. */
const destination = `${benchNamespace}/${benchHost}:80`;

/** The second application, where a measure has one. */
const bytesService = 'bytes';
export const bytesDestination = `${benchNamespace}/${bytesService}:9000`;

let authority: Promise<Authority> | undefined;

/** One root for all sidecars of a run. */
export function benchAuthority(): Promise<Authority> {
  authority ??= makeAuthority();
  return authority;
}

async function makeAuthority(): Promise<Authority> {
  const material = await createAuthority({
    trustDomain: benchTrustDomain,
    lifetimeMs: 2 * DAY_MS,
    nowMs: systemClock.wallMs(),
  });
  const read = await readAuthority(material, benchTrustDomain);
  if (!read.ok) throw new Error(`the bench's own authority: ${read.error}`);
  return read.value;
}

export function benchId(workload: string): string {
  return workloadId(benchTrustDomain, benchNamespace, workload)!;
}

/** Writes all that a sidecar of this name starts from. `ports` are lines of the ports file. */
export async function writeState(
  folder: string,
  workload: string,
  resources: readonly Resource[],
  ports: readonly string[],
): Promise<void> {
  const opened = openStateFolder(folder);
  if (!opened.ok) throw new Error(opened.error.message);
  const signer = await benchAuthority();
  const svid = await signer.issueOwn(benchId(workload), DAY_MS, systemClock.wallMs());
  if (!svid.ok) throw new Error(`no leaf for ${workload}: ${svid.error}`);
  const held = resources.map((resource) => {
    const { key, hash } = versionResource(resource);
    return [key, { hash, resource }] as const;
  });
  for (const written of [
    opened.value.writeSvid(svid.value),
    opened.value.writeBundle(signer.bundle),
    await opened.value.writeSnapshot([encodeSnapshot(new Map(held))]),
    writeSealedFile(join(folder, 'ports'), `${ports.join('\n')}\n`),
  ]) {
    if (!written.ok) throw new Error(written.error.message);
  }
}

/**
 * What a caller of `echo` holds; every policy at its default, as a user has it who configured nothing. `bytesPort`: where a second
 * service is, called `bytes`, whose bytes nobody looks into.
 */
export function callerResources(
  endpointPort: number,
  mesh: boolean,
  application: Application = 'http1',
  bytesPort?: number,
): Resource[] {
  const protocol = protocolOf(application);
  const services = [{ service: benchHost, ports: [{ port: 80, name: 'http', protocol }], addresses: [] }];
  const held = serviceResources(benchHost, destination, protocol, endpointPort, mesh);
  if (bytesPort !== undefined) {
    services.push({ service: bytesService, ports: [{ port: 9000, name: 'tcp', protocol: 'Tcp' }], addresses: [] });
    held.push(...serviceResources(bytesService, bytesDestination, 'Tcp', bytesPort, mesh));
  }
  return [meshSettings, { type: 'names', name: benchNamespace, services }, ...held];
}

function serviceResources(
  service: string,
  key: DestinationKey,
  protocol: ApplicationProtocol,
  endpointPort: number,
  mesh: boolean,
): Resource[] {
  const defaults = builtInDefaults;
  return [
    {
      type: 'routes',
      name: key,
      rules: [
        {
          route: `Service ${benchNamespace}/${service}`,
          rule: 'default',
          hostnames: [],
          matches: [{ path: { type: 'PathPrefix', value: '/' }, method: '', headers: [], queries: [], grpc: null }],
          filters: [],
          backends: [{ backend: key, weight: 1, filters: [] }],
          timeouts: defaults.timeouts,
          retries: defaults.retries,
        },
      ],
    },
    {
      type: 'backend',
      name: key,
      protocol,
      loadBalancer: defaults.loadBalancer,
      connections: defaults.connections,
      circuitBreaker: defaults.circuitBreaker,
      maxRequests: defaults.maxRequests,
      outlierDetection: defaults.outlierDetection,
      healthCheck: defaults.healthCheck,
    },
    {
      type: 'endpoints',
      name: key,
      endpoints: [
        {
          key: `${service}-1`,
          address: '127.0.0.1',
          port: endpointPort,
          applicationPort: endpointPort,
          identity: mesh ? benchId('server') : '',
          mesh,
          zone: '',
          weight: 1,
        },
      ],
    },
  ];
}

/** What a gateway holds with one listener, which ends TLS with the certificate named and passes everything to `echo`. */
export function edgeResources(endpointPort: number, listener: { port: number; certificate: string }): Resource[] {
  const { port, certificate } = listener;
  const held = callerResources(endpointPort, false);
  return held.flatMap((resource): Resource[] =>
    resource.type !== 'routes'
      ? [resource]
      : [
          resource,
          {
            type: 'listener',
            name: `${edgeGateway}/https`,
            port,
            protocol: 'Https',
            hostname: '',
            rules: resource.rules,
            certificates: [certificate],
          },
        ],
  );
}

export const edgeGateway = `${benchNamespace}/edge`;

/** What a workload holds that only answers. */
export function answererResources(
  applicationPort: number,
  application: Application = 'http1',
  bytesPort?: number,
): Resource[] {
  const first = { port: applicationPort, name: 'http', protocol: protocolOf(application), mtls: 'Strict' } as const;
  const second = { port: bytesPort ?? 0, name: 'tcp', protocol: 'Tcp', mtls: 'Strict' } as const;
  return [
    meshSettings,
    {
      type: 'inbound',
      name: `${benchNamespace}/server`,
      identity: benchId('server'),
      ports: bytesPort === undefined ? [first] : [first, second],
      telemetry: null,
    },
  ];
}

function protocolOf(application: Application): ApplicationProtocol {
  return application === 'tcp' ? 'Tcp' : application === 'http2' ? 'Http2' : 'Http1';
}

export const meshSettings: Resource = {
  type: 'mesh',
  name: 'default',
  trustDomain: benchTrustDomain,
  trustDomainAliases: [],
  egress: 'DeclaredOnly',
  gatewayProxyProtocol: false,
};

/** Files with which a client of the bench itself may speak to a sidecar of role `server`. */
export async function clientTls(
  workbench: Workbench,
): Promise<{ root: string; certificate: string; key: string; protocols: readonly string[] }> {
  const signer = await benchAuthority();
  const svid = await signer.issueOwn(benchId('client'), DAY_MS, systemClock.wallMs());
  if (!svid.ok) throw new Error(`no leaf for the client: ${svid.error}`);
  const folder = workbench.makeFolder('client-tls', 0o700);
  const files = {
    root: join(folder, 'root.pem'),
    certificate: join(folder, 'leaf.pem'),
    key: join(folder, 'leaf.key'),
  };
  writeFileSync(files.root, toCaPem(signer.bundle));
  writeFileSync(files.certificate, svid.value.certificatesPem);
  writeFileSync(files.key, svid.value.keyPem);
  return { ...files, protocols: ['weft-http/1.1'] };
}
