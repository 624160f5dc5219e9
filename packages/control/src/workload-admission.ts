/**
 * What a proxy may stand for. Its certificate says a namespace and a service account and nothing else; all that its Hello
 * says beyond that is a wish, held against configuration and against the services its tokens were made for:
 *
 *   ephemeral           an instance of its own, with the labels of the Service it was admitted to. It may refine them
 *                       (`version: v2`), but never become an endpoint of another Service by a label it gave itself.
 *   not ephemeral       the proxy before a `WorkloadEntry` of its namespace and service account
 *   without listeners   a caller only: nobody calls it. It stands in the model without an address and without ports, for what
 *                       policies say of its own requests; no other replica hears of it, and it is not remembered
 */
import type { PeerIdentity } from '@weft/identity';
import { type Result, fail, ok } from '@weft/kernel';
import type { InstancePort, Model, WorkloadInstance } from '@weft/model';
import type { CallFault, Hello } from '@weft/wire';

/** Services that tokens of a service account were made for, beside the one of the account's own name. */
export interface ServiceGrants {
  has(namespace: string, serviceAccount: string, service: string): boolean;
}

/** A proxy says so where rules lead all traffic of its workload through it. */
const capturedCapability = 'captured';

/** What Hello becomes. */
export interface Admission {
  /** Key of the workload in the model; empty when it stands for none. */
  readonly workload: string;
  readonly instance: WorkloadInstance | undefined;
  /** Services whose selector it would have met only by labels of its own, which were taken from it. */
  readonly withheld: readonly string[];
}

/** Judges Hello against the certificate; the fault is one line for a person. */
export function judgeHello(hello: Hello, peer: PeerIdentity, grants: ServiceGrants): Result<true, CallFault> {
  const { namespace, serviceAccount, service, ephemeral } = hello.workload;
  if (namespace !== peer.namespace || serviceAccount !== peer.serviceAccount) {
    return denied(
      `${peer.id} says that it is ${namespace}/${serviceAccount}; start it with the identity it was issued`,
    );
  }
  if (ephemeral && service !== '' && service !== serviceAccount && !grants.has(namespace, serviceAccount, service)) {
    return denied(
      `${peer.id} may not stand for Service ${namespace}/${service}; create its token with: ` +
        `weft token create --service ${service} --service-account ${serviceAccount}`,
    );
  }
  if (hello.gateway !== '' && hello.gateway.split('/')[0] !== namespace) {
    return denied(`${peer.id} may not serve Gateway ${hello.gateway} of another namespace`);
  }
  return ok(true);
}

/** What an admitted proxy stands for as configuration is now. Asked again when that changes. */
export function admitWorkload(
  hello: Hello,
  peer: PeerIdentity,
  model: Model,
  grants: ServiceGrants,
  isDraining: boolean,
): Admission {
  const { workload, listeners } = hello;
  const { namespace, serviceAccount } = workload;
  const entry = workload.ephemeral ? undefined : findEntry(hello, model);
  const captured = entry !== undefined && hello.capabilities.includes(capturedCapability);
  const written = captured ? model.object('WorkloadEntry', namespace, entry)?.spec.address : undefined;
  const address = listeners[0]?.address ?? written;
  if (address === undefined) {
    if (entry !== undefined) return { workload: `${namespace}/${entry}`, instance: undefined, withheld: [] };
    return { workload: ownKey(workload), instance: callerOf(hello, peer, model, grants), withheld: [] };
  }
  if (!workload.ephemeral && entry === undefined) return { workload: '', instance: undefined, withheld: [] };
  const key = entry === undefined ? ownKey(workload) : `${namespace}/${entry}`;
  const announced = listeners
    .filter((listener) => listener.address === address)
    .map(({ applicationPort, name, port }): InstancePort => ({ name, applicationPort, meshPort: port }));
  const { labels, withheld } = entry === undefined ? grantedLabels(hello, model, grants) : { labels: {}, withheld: [] };
  return {
    workload: key,
    instance: {
      workload: key,
      namespace,
      serviceAccount,
      labels,
      zone: workload.zone,
      weight: workload.weight,
      ports: captured ? withServicePorts(announced, key, model) : announced,
      address,
      identity: peer.id,
      draining: isDraining,
    },
    withheld,
  };
}

/** `~` stands in no name, so an instance of its own is never taken for an entry, nor for one of another account. */
function ownKey({ namespace, serviceAccount, instance }: Hello['workload']): string {
  return `${namespace}/${serviceAccount}~${instance}`;
}

/** Whether an instance is called by nobody: see above. */
export function isCaller({ address }: WorkloadInstance): boolean {
  return address === '';
}

function callerOf(hello: Hello, peer: PeerIdentity, model: Model, grants: ServiceGrants): WorkloadInstance {
  const { namespace, serviceAccount, zone, weight } = hello.workload;
  const { labels } = grantedLabels(hello, model, grants);
  const place = { labels, zone, weight, ports: [], address: '', identity: peer.id, draining: false };
  return { workload: ownKey(hello.workload), namespace, serviceAccount, ...place };
}

/**
 * All that arrives at a captured application comes through its sidecar, at the very port that was dialled: so it is reached by the
 * mesh at every port that a Service leads to, declared by the pod or not.
 */
export function withServicePorts(
  announced: readonly InstancePort[],
  workload: string,
  model: Model,
): readonly InstancePort[] {
  const known = new Set(announced.map(({ applicationPort }) => applicationPort));
  const entry = model.workloads.get(workload)?.entry;
  const more: InstancePort[] = [];
  for (const service of model.workloads.servicesOf(workload)) {
    for (const { port, targetPort = port, protocol = 'TCP' } of model.service(service)?.spec.ports ?? []) {
      const named = entry?.spec.ports?.find(({ name }) => name === targetPort)?.port;
      const number = typeof targetPort === 'number' ? targetPort : named;
      if (protocol !== 'TCP' || number === undefined || known.has(number)) continue;
      known.add(number);
      more.push({ name: '', applicationPort: number, meshPort: number });
    }
  }
  more.sort((left, right) => left.applicationPort - right.applicationPort);
  return [...announced, ...more];
}

/** Name of the entry a proxy stands before: of its instance's name, of its workload's, or the only one that fits. */
function findEntry(hello: Hello, model: Model): string | undefined {
  const { namespace, serviceAccount, instance, name } = hello.workload;
  for (const candidate of [instance, name]) {
    const entry = model.object('WorkloadEntry', namespace, candidate);
    if (entry !== undefined && (entry.spec.serviceAccount ?? 'default') === serviceAccount) return candidate;
  }
  const ports = new Set(hello.listeners.map(({ applicationPort }) => applicationPort));
  let found: string | undefined;
  for (const key of model.workloads.inNamespace(namespace)) {
    const entry = model.workloads.get(key)?.entry;
    if (entry === undefined || (entry.spec.serviceAccount ?? 'default') !== serviceAccount) continue;
    if (!hello.listeners.some(({ address }) => address === entry.spec.address)) continue;
    if (!(entry.spec.ports ?? []).some(({ port }) => ports.has(port))) continue;
    // Two that fit equally: neither, rather than the wrong one.
    if (found !== undefined) return undefined;
    found = entry.metadata.name;
  }
  return found;
}

type Labels = Readonly<Record<string, string>>;

function grantedLabels(
  hello: Hello,
  model: Model,
  grants: ServiceGrants,
): { readonly labels: Labels; readonly withheld: readonly string[] } {
  const { namespace, serviceAccount, service } = hello.workload;
  const mayBe = (name: string): boolean =>
    name === service || name === serviceAccount || grants.has(namespace, serviceAccount, name);
  const granted: Labels[] = [];
  const others: { readonly name: string; readonly selector: Labels }[] = [];
  for (const key of model.servicesByNamespace.get(namespace)) {
    const found = model.service(key);
    const selector = found?.spec.selector;
    if (found === undefined || selector === undefined) continue;
    if (mayBe(found.metadata.name)) granted.push(selector);
    else others.push({ name: found.metadata.name, selector });
  }
  const own = model.object('Service', namespace, service)?.spec.selector ?? {};
  const labels: Record<string, string> = {};
  for (const { name, value } of hello.workload.labels) labels[name] = value;
  Object.assign(labels, own);
  const withheld: string[] = [];
  for (const { name, selector } of others) {
    if (!carries(labels, selector)) continue;
    // A part of a service it was admitted to (`orders-v2` of `orders`) is its own to choose.
    if (granted.some((wider) => carries(labels, wider) && carries(selector, wider))) continue;
    withheld.push(name);
    for (const label of Object.keys(selector)) if (!Object.hasOwn(own, label)) delete labels[label];
  }
  return { labels, withheld };
}

function carries(labels: Labels, selector: Labels): boolean {
  const pairs = Object.entries(selector);
  return pairs.length > 0 && pairs.every(([name, value]) => labels[name] === value);
}

function denied(message: string): Result<never, CallFault> {
  return fail({ code: 'PermissionDenied', message });
}
