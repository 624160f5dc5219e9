/** Looks at a cluster before and after an installation: what is missing, what will not work, and what to do about it. */
import { X509Certificate } from 'node:crypto';
import type { KubeClient } from '../client/kube-client.ts';
import { customResources } from '../crd/custom-resource.ts';
import { discover } from '../watch/api-discovery.ts';
import { wanted } from '../watch/cluster-watch.ts';
import { type PolicyRule, clusterRules, ownRules } from './access-objects.ts';

export interface ClusterFinding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  readonly state: 'ok' | 'warning' | 'failed';
  readonly message: string;
  /** What to do; empty when there is nothing. */
  readonly fix: string;
}

export interface ClusterCheckOptions {
  readonly client: KubeClient;
  /** Of the control plane. */
  readonly namespace: string;
  readonly wallMs: () => number;
}

const OLDEST_MINOR = 30;
const MOST_SKEW_MS = 30_000;
const DAY_MS = 86_400_000;
/** Pods of these levels may not have NET_ADMIN, which the capture container needs. */
const strictLevels = new Set(['baseline', 'restricted']);

type Fields = Readonly<Record<string, unknown>>;

export async function checkCluster(options: ClusterCheckOptions): Promise<ClusterFinding[]> {
  const { client } = options;
  const version = await checkVersion(client);
  // Nobody answers: the rest would say the same once more.
  if (version.state === 'failed' && version.check === 'API server') return [version];
  const installed = await client.get(`/apis/apps/v1/namespaces/${options.namespace}/deployments/weft-control`);
  const isInstalled = installed.ok;
  const findings = [version, await checkClock(options), await checkDefinitions(client), await checkStandard(client)];
  if (!isInstalled) {
    findings.push({
      check: 'installation',
      state: 'warning',
      message: `no Deployment weft-control in ${options.namespace}: Weft is not installed`,
      fix: 'weft install, or helm install weft deploy/helm/weft -n weft-system --create-namespace.',
    });
    findings.push(...(await checkNamespaces(client)));
    return findings;
  }
  findings.push(checkDeployment(installed.value), await checkLeader(options), await checkAccess(options));
  findings.push(await checkRoot(options), ...(await checkWebhooks(options)));
  findings.push(...(await (usesAgents(installed.value) ? checkAgents(options) : checkNamespaces(client))));
  return findings;
}

async function checkVersion(client: KubeClient): Promise<ClusterFinding> {
  const got = await client.get('/version');
  if (!got.ok) {
    return failed('API server', got.error.message, 'Check the kubeconfig, and that the server can be reached.');
  }
  const { gitVersion = '', minor = '0' } = got.value as { gitVersion?: string; minor?: string };
  const isOld = Number.parseInt(minor, 10) < OLDEST_MINOR;
  const message = `Kubernetes ${gitVersion}`;
  return isOld
    ? failed('version', `${message} is older than 1.${OLDEST_MINOR}`, 'Upgrade the cluster.')
    : ok('version', message);
}

/** By the time that the server gives to an object that it makes and does not keep. */
async function checkClock({ client, wallMs }: ClusterCheckOptions): Promise<ClusterFinding> {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { generateName: 'weft-clock-' } };
  const made = await client.request({ method: 'POST', path: '/api/v1/namespaces?dryRun=All', body });
  if (!made.ok) return warning('clock', `not compared: ${made.error.message}`, '');
  const text = textAt(made.value, 'metadata', 'creationTimestamp');
  const skewMs = Math.abs(Date.parse(text) - wallMs());
  const seconds = Math.round(skewMs / 1000);
  if (!(skewMs > MOST_SKEW_MS)) return ok('clock', `within ${seconds + 1} s of the API server's`);
  const fix = 'Set the clocks by NTP: certificates are not yet or no longer valid where clocks differ.';
  return failed('clock', `${seconds} s from the API server's`, fix);
}

async function checkDefinitions(client: KubeClient): Promise<ClusterFinding> {
  const missing: string[] = [];
  const differing: string[] = [];
  for (const [name, resource] of customResources()) {
    const got = await client.get(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`);
    if (!got.ok) {
      if (got.error.code !== 'not-found') return warning('definitions', `not read: ${got.error.message}`, '');
      missing.push(name);
    } else if (schemaOf(got.value) !== schemaOf(resource)) differing.push(name);
  }
  const fix = 'helm upgrade --install weft-crds deploy/helm/weft-crds, before the control plane.';
  if (missing.length > 0) return failed('definitions', `not installed: ${missing.join(', ')}`, fix);
  if (differing.length > 0) return warning('definitions', `of another version of Weft: ${differing.join(', ')}`, fix);
  return ok('definitions', `${customResources().size} kinds of weft.dev`);
}

async function checkStandard(client: KubeClient): Promise<ClusterFinding> {
  const found = await discover(client, wanted());
  if (!found.ok) return warning('Gateway API', `not read: ${found.error.message}`, '');
  const absent = wanted().filter(({ group, kind }) => group !== 'weft.dev' && !found.value.has(`${group}/${kind}`));
  if (absent.length === 0) return ok('Gateway API', await bundleOf(client));
  const names = absent.map(({ kind }) => kind).join(', ');
  const fix = 'Install the CRDs of Gateway API where routes are wanted; Weft never does, and serves what is there.';
  return warning('Gateway API', `not installed: ${names}`, fix);
}

async function bundleOf(client: KubeClient): Promise<string> {
  const got = await client.get(
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/httproutes.gateway.networking.k8s.io',
  );
  const annotations = got.ok ? at(got.value, 'metadata', 'annotations') : {};
  const said = (name: string): string => textAt(annotations, `gateway.networking.k8s.io/${name}`);
  return `all kinds that are read; bundle ${said('bundle-version') || 'unknown'}, channel ${said('channel') || 'unknown'}`;
}

function checkDeployment(deployment: unknown): ClusterFinding {
  const { replicas = 0 } = at(deployment, 'spec') as { replicas?: number };
  const { availableReplicas = 0 } = at(deployment, 'status') as { availableReplicas?: number };
  const message = `${availableReplicas} of ${replicas} control planes are available`;
  const fix = 'kubectl -n weft-system describe pods -l app.kubernetes.io/name=weft-control';
  if (availableReplicas === 0) return failed('control plane', message, fix);
  return availableReplicas < replicas ? warning('control plane', message, fix) : ok('control plane', message);
}

async function checkLeader({ client, namespace, wallMs }: ClusterCheckOptions): Promise<ClusterFinding> {
  const got = await client.get(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/weft-control`);
  if (!got.ok) return warning('leader', `no Lease: ${got.error.message}`, 'Wait until a control plane is ready.');
  const holder = textAt(got.value, 'spec', 'holderIdentity');
  const ageMs = wallMs() - Date.parse(textAt(got.value, 'spec', 'renewTime'));
  if (holder !== '' && ageMs < MOST_SKEW_MS) return ok('leader', holder);
  const fix = 'Status and events are not written; look at the logs of the control planes.';
  return warning(
    'leader',
    holder === '' ? 'nobody leads' : `${holder} has not renewed for ${Math.round(ageMs / 1000)} s`,
    fix,
  );
}

/** Whether the control plane's account may do what it calls. */
async function checkAccess({ client, namespace }: ClusterCheckOptions): Promise<ClusterFinding> {
  const user = `system:serviceaccount:${namespace}:weft-control`;
  const denied: string[] = [];
  for (const [rules, where] of [
    [clusterRules(false), ''],
    [ownRules(false), namespace],
  ] as const) {
    for (const { group, resource, subresource, name, verb } of rules.flatMap(questionsOf)) {
      const resourceAttributes = { group, resource, subresource, name, verb, namespace: where };
      const reviewed = await client.request({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: { user, resourceAttributes },
        },
      });
      if (!reviewed.ok) return warning('roles', `not reviewed: ${reviewed.error.message}`, '');
      if (at(reviewed.value, 'status')['allowed'] !== true) denied.push(`${verb} ${resource}`);
    }
  }
  if (denied.length === 0) return ok('roles', `${user} may do what it calls`);
  return failed(
    'roles',
    `${user} may not ${denied.slice(0, 5).join(', ')}`,
    'Install the chart again: it brings the roles.',
  );
}

function questionsOf({ apiGroups, resources, resourceNames = [''], verbs }: PolicyRule) {
  return apiGroups.flatMap((group) =>
    resources.flatMap((each) => {
      const [resource = '', subresource = ''] = each.split('/');
      return resourceNames.flatMap((name) => verbs.map((verb) => ({ group, resource, subresource, name, verb })));
    }),
  );
}

async function checkRoot({ client, namespace, wallMs }: ClusterCheckOptions): Promise<ClusterFinding> {
  const got = await client.get(`/api/v1/namespaces/${namespace}/secrets/weft-root`);
  if (!got.ok) {
    const fix = 'The leader makes it again from its copy; where no control plane runs, restore it from a backup.';
    return got.error.code === 'not-found'
      ? failed('root', `no Secret ${namespace}/weft-root`, fix)
      : warning('root', `not read: ${got.error.message}`, '');
  }
  const pem = Object.values(at(got.value, 'data'))
    .map((text) => Buffer.from(String(text), 'base64').toString('latin1'))
    .join('\n');
  return checkEnd('root', pem, wallMs(), 90 * DAY_MS, 'Prepare and activate another root while this one still holds.');
}

async function checkWebhooks({ client, wallMs }: ClusterCheckOptions): Promise<ClusterFinding[]> {
  const findings: ClusterFinding[] = [];
  for (const [plural, name, check] of [
    ['mutatingwebhookconfigurations', 'weft-injection', 'injection'],
    ['validatingwebhookconfigurations', 'weft-validation', 'validation'],
  ] as const) {
    const got = await client.get(`/apis/admissionregistration.k8s.io/v1/${plural}/${name}`);
    if (!got.ok) {
      findings.push(
        warning(check, `no webhook ${name}: ${got.error.code}`, 'Install with webhooks.enabled, or inject by hand.'),
      );
      continue;
    }
    const hooks = (got.value as { webhooks?: readonly unknown[] }).webhooks ?? [];
    const bundle = textAt(hooks[0], 'clientConfig', 'caBundle');
    const pem = Buffer.from(bundle, 'base64').toString('latin1');
    const fix = 'The control plane writes it within a minute of its start; look at its log.';
    findings.push(
      bundle === '' ? failed(check, `${name} has no CA bundle yet`, fix) : checkEnd(check, pem, wallMs(), DAY_MS, fix),
    );
  }
  return findings;
}

/** Whether rules of pods are written by agents of nodes: then no level of Pod Security is in the way. */
function usesAgents(deployment: unknown): boolean {
  const { containers = [] } =
    ((deployment as Fields)['spec'] as { template?: { spec?: { containers?: Fields[] } } })?.template?.spec ?? {};
  return containers.some(({ args }) => Array.isArray(args) && args.includes('--cni'));
}

async function checkAgents({ client, namespace }: ClusterCheckOptions): Promise<ClusterFinding[]> {
  const got = await client.get(`/apis/apps/v1/namespaces/${namespace}/daemonsets/weft-cni`);
  if (!got.ok) {
    const fix = 'Install it with cni.enabled, or take --cni from the control plane: pods with sidecars do not start.';
    return [failed('capture', `there is no DaemonSet weft-cni: ${got.error.message}`, fix)];
  }
  const { status } = got.value as { status?: Readonly<Record<string, number>> };
  const { numberReady: ready = 0, desiredNumberScheduled: wanted = 0 } = status ?? {};
  const message = `agents are ready on ${ready} of ${wanted} nodes`;
  const fix =
    'On the others no pod starts but those of excluded namespaces: look at the log of their agents (kubectl logs -l app.kubernetes.io/name=weft-cni).';
  return [ready < wanted || wanted === 0 ? failed('capture', message, fix) : ok('capture', message)];
}

/** Namespaces that ask for sidecars, and whose level of Pod Security refuses the container that writes the rules. */
async function checkNamespaces(client: KubeClient): Promise<ClusterFinding[]> {
  const got = await client.get(`/api/v1/namespaces?labelSelector=${encodeURIComponent('weft.dev/inject=enabled')}`);
  if (!got.ok) return [warning('capture', `namespaces are not read: ${got.error.message}`, '')];
  const items = (got.value as { items?: readonly unknown[] }).items ?? [];
  const strict = items.filter((each) =>
    strictLevels.has(textAt(each, 'metadata', 'labels', 'pod-security.kubernetes.io/enforce')),
  );
  if (strict.length === 0) return [ok('capture', `${items.length} namespaces ask for sidecars; none forbids capture`)];
  const names = strict.map((each) => textAt(each, 'metadata', 'name')).join(', ');
  return [
    failed(
      'capture',
      `Pod Security of ${names} forbids NET_ADMIN, which the capture container needs`,
      'Have agents of the nodes write the rules (cni.enabled=true), or label them pod-security.kubernetes.io/enforce=privileged, or annotate pods config.weft.dev/capture: None for an explicit proxy.',
    ),
  ];
}

function checkEnd(check: string, pem: string, nowMs: number, reserveMs: number, fix: string): ClusterFinding {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const ends: number[] = [];
  for (const block of blocks) {
    try {
      ends.push(Date.parse(new X509Certificate(block).validTo));
    } catch {
      return failed(check, 'a certificate cannot be read', fix);
    }
  }
  if (ends.length === 0) return failed(check, 'there is no certificate', fix);
  const endMs = Math.max(...ends);
  const message = `certificate until ${new Date(endMs).toISOString().slice(0, 10)}`;
  if (endMs <= nowMs) return failed(check, `${message}: it is over`, fix);
  return endMs - nowMs < reserveMs ? warning(check, message, fix) : ok(check, message);
}

/** Of the first version: what the server adds on its own is not in it. */
function schemaOf(resource: unknown): string {
  const versions = at(resource, 'spec')['versions'];
  const first = Array.isArray(versions) ? (versions[0] as unknown) : undefined;
  return sorted(at(first, 'schema', 'openAPIV3Schema', 'properties', 'spec'));
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([left], [right]) => (left < right ? -1 : 1)))
      : each,
  );
}

function ok(check: string, message: string): ClusterFinding {
  return { check, state: 'ok', message, fix: '' };
}

function warning(check: string, message: string, fix: string): ClusterFinding {
  return { check, state: 'warning', message, fix };
}

function failed(check: string, message: string, fix: string): ClusterFinding {
  return { check, state: 'failed', message, fix };
}

function at(value: unknown, ...path: readonly string[]): Fields {
  let current = value;
  for (const name of path) {
    current = typeof current === 'object' && current !== null ? (current as Fields)[name] : undefined;
  }
  return typeof current === 'object' && current !== null ? (current as Fields) : {};
}

function textAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path.slice(0, -1))[path.at(-1) ?? ''];
  return typeof found === 'string' ? found : '';
}
