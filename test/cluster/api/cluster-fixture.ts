/** What tests on a real API server share: a client that may do anything, namespaces of their own, control planes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ClusterOptions, type ControlOptions, type ControlPlane, startControlPlane } from '@weft/control';
import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import {
  type ClusterAccess,
  type InstallValues,
  KubeClient,
  type KubeFault,
  type KubeObject,
  customResources,
  defaultInstallValues,
  installObjects,
  kubeconfigAccess,
} from '@weft/kube';

const kubeconfig = process.env['WEFT_TEST_KUBECONFIG'] ?? '';

/** Given to `describe` and `test`. */
export const needsCluster = {
  skip: kubeconfig === '' ? 'needs an API server that may be broken: WEFT_TEST_KUBECONFIG' : false,
  timeout: 120_000,
} as const;

export const WAIT_MS = 20_000;

export function adminAccess(): ClusterAccess {
  const access = kubeconfigAccess(kubeconfig, systemClock);
  if (!access.ok) throw new Error(access.error);
  return access.value;
}

const plurals: Readonly<Record<string, string>> = {
  Namespace: 'namespaces',
  NetworkPolicy: 'networkpolicies',
  PodDisruptionBudget: 'poddisruptionbudgets',
  GatewayClass: 'gatewayclasses',
  HTTPRoute: 'httproutes',
  TrafficPolicy: 'trafficpolicies',
  AuthenticationPolicy: 'authenticationpolicies',
  TelemetryPolicy: 'telemetrypolicies',
  WorkloadEntry: 'workloadentries',
  EndpointSlice: 'endpointslices',
  Mesh: 'meshes',
  Ingress: 'ingresses',
};

/** Of an object, or of its collection where `name` is empty. */
export function pathOf({ apiVersion, kind, metadata }: KubeObject, name: string = metadata.name): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  const plural = plurals[kind] ?? `${kind.toLowerCase()}s`;
  return `${base}${place}/${plural}${name === '' ? '' : `/${name}`}`;
}

export class Cluster {
  readonly client: KubeClient;
  private readonly cleaners: (() => Promise<void>)[];

  constructor(client: KubeClient) {
    this.client = client;
    this.cleaners = [];
  }

  /** Done at the end of the test, the last one first, while the client still works. */
  defer(clean: () => Promise<void>): void {
    this.cleaners.push(clean);
  }

  async clean(): Promise<void> {
    for (const clean of this.cleaners.splice(0).toReversed()) await clean();
  }

  /** Server-side apply, refusing unknown fields as kubectl does. */
  async apply(object: KubeObject, query = ''): Promise<KubeFault | undefined> {
    const applied = await this.client.request({
      method: 'PATCH',
      path: `${pathOf(object)}?fieldManager=test&force=true&fieldValidation=Strict${query}`,
      contentType: 'application/apply-patch+yaml',
      body: object,
    });
    return applied.ok ? undefined : applied.error;
  }

  async must(...objects: KubeObject[]): Promise<void> {
    for (const object of objects) {
      const fault = await this.apply(object);
      if (fault !== undefined) throw new Error(`${object.kind} ${object.metadata.name}: ${fault.message}`);
    }
  }

  async get(object: KubeObject): Promise<KubeObject | undefined> {
    const got = await this.client.get(pathOf(object));
    return got.ok ? (got.value as KubeObject) : undefined;
  }

  async delete(object: KubeObject): Promise<void> {
    await this.client.request({ method: 'DELETE', path: `${pathOf(object)}?gracePeriodSeconds=0` });
  }

  /** A token of a service account; bound to a pod where one is named. */
  async token(
    namespace: string,
    account: string,
    audience: string,
    pod?: { name: string; uid: string },
  ): Promise<string> {
    const bound = pod === undefined ? {} : { boundObjectRef: { apiVersion: 'v1', kind: 'Pod', ...pod } };
    const made = await this.client.request({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`,
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { ...(audience === '' ? {} : { audiences: [audience] }), expirationSeconds: 600, ...bound },
      },
    });
    if (!made.ok) throw new Error(made.error.message);
    return (made.value as { status: { token: string } }).status.token;
  }
}

/** The cluster with Weft's definitions in it, and a namespace that goes with the test. */
export async function useCluster(t: {
  after(fn: () => Promise<void>): void;
}): Promise<{ cluster: Cluster; namespace: string }> {
  const client = new KubeClient(adminAccess());
  const cluster = new Cluster(client);
  for (const resource of customResources().values()) await cluster.must(resource as KubeObject);
  const namespace = `weft-test-${Math.random().toString(36).slice(2, 8)}`;
  const own: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
  await cluster.must(own);
  t.after(async () => {
    await cluster.clean();
    await cluster.delete(own);
    await client.close();
  });
  return { cluster, namespace };
}

export interface RunningControl {
  readonly plane: ControlPlane;
  readonly lines: string[];
  stop(): Promise<void>;
}

/** A replica of a control plane whose Lease and Secrets are in `namespace`. */
export async function startReplica(
  t: Pick<TestContext, 'after'>,
  namespace: string,
  replica: string,
  own: Partial<ClusterOptions> = {},
  more: Partial<ControlOptions> = {},
): Promise<RunningControl> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-replica-'));
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const lines: string[] = [];
  const say = (message: string): void => void lines.push(message);
  const plane = await startControlPlane({
    name: replica,
    cluster: { access: adminAccess(), replica, namespace, ...own },
    stateFolder: join(folder, 'state'),
    host: '127.0.0.1',
    port: 0,
    adminSocket: join(folder, 'admin.sock'),
    metricsPort: 0,
    clock: systemClock,
    wheel,
    random: systemRandom,
    log: { info: say, warn: say, error: say },
    ...more,
  });
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopped ??= plane.stop().then(() => {
      wheel.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    return stopped;
  };
  t.after(stop);
  return { plane, lines, stop };
}

export function conditionOf(
  object: KubeObject | undefined,
  type: string,
): Readonly<Record<string, unknown>> | undefined {
  const { conditions = [] } = (object?.['status'] ?? {}) as { conditions?: Readonly<Record<string, unknown>>[] };
  return conditions.find((each) => each['type'] === type);
}

/** Accounts and roles of an installation, those of the whole cluster under names that no other installation has. */
export function accessFor(namespace: string, more: Partial<InstallValues> = {}): KubeObject[] {
  const renamed = (name: string): string => `${name}-${namespace}`;
  return installObjects({ ...defaultInstallValues('0.1.0'), ...more, namespace, gatewayClass: '' }).flatMap(
    (object) => {
      const { kind, metadata } = object;
      if (kind === 'ClusterRole') {
        // Under this label it would join the roles of everybody.
        return [{ ...object, metadata: { name: renamed(metadata.name) } }];
      }
      if (kind === 'ClusterRoleBinding') {
        const roleRef = object['roleRef'] as { readonly name: string };
        return [
          {
            ...object,
            metadata: { name: renamed(metadata.name) },
            roleRef: { ...roleRef, name: renamed(roleRef.name) },
          },
        ];
      }
      return kind === 'ServiceAccount' || kind === 'Role' || kind === 'RoleBinding' ? [object] : [];
    },
  );
}
