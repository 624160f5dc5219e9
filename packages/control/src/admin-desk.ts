import { type Result, type TimerWheel, fail, ok } from '@weft/kernel';
import { type Model, byCodeUnit, nearestWord } from '@weft/model';
import type {
  AdminService,
  CallFault,
  CreateTokenRequest,
  CreateTokenResponse,
  GetConfigRequest,
  GetConfigResponse,
  GetDashboardResponse,
  GetTrafficRequest,
  GetTrafficResponse,
  GetVersionsResponse,
  ListObjectsRequest,
  ListObjectsResponse,
  ListProxiesResponse,
  MeshEvent,
  ServerInfo,
  TapEvent,
  TapRequest,
  WhyRequest,
  WhyResponse,
} from '@weft/wire';
import type { EventLog } from './event-log.ts';
import type { IdentityDesk } from './identity-desk.ts';
import type { ObjectReport } from './object-report.ts';
import type { ObservationRoom } from './observation/observation-room.ts';
import { reportProxy } from './proxy-report.ts';
import type { ProxyRecord, ProxyRegistry } from './proxy-registry.ts';
import type { WorkloadMemory } from './workload-memory.ts';

export interface AdminDeskOptions {
  readonly registry: ProxyRegistry;
  readonly objects: ObjectReport;
  readonly events: EventLog;
  readonly identity: IdentityDesk;
  readonly observation: ObservationRoom;
  readonly memory: WorkloadMemory;
  readonly model: Model;
  readonly wheel: TimerWheel;
  readonly server: () => ServerInfo;
  /** Undefined when none is served. */
  readonly dashboard: () => GetDashboardResponse | undefined;
  /** Where proxies connect, for tokens. */
  readonly address: () => string;
}

const QUERY_MS = 5000;
const MOST_NAMES = 40;

/** What people and tools ask, answered of what this replica knows by itself; of the whole mesh, `MeshDesk` answers. */
export class AdminDesk implements AdminService {
  private readonly options: AdminDeskOptions;

  constructor(options: AdminDeskOptions) {
    this.options = options;
  }

  getServer(): Result<ServerInfo, CallFault> {
    return ok(this.options.server());
  }

  listProxies(): Result<ListProxiesResponse, CallFault> {
    const proxies = Array.from(this.options.registry.records, reportProxy);
    const { replicas } = this.options.server();
    return ok({ proxies: proxies.sort((left, right) => byCodeUnit(left.name, right.name)), replicas });
  }

  getConfig({ proxy, keyPrefix }: GetConfigRequest): Promise<Result<GetConfigResponse, CallFault>> {
    const found = this.find(proxy);
    if (!found.ok) return Promise.resolve(found);
    const { session, name, isConnected } = found.value;
    const silent = fail<CallFault>({ code: 'Unavailable', message: `${name} does not answer` });
    if (!isConnected) return Promise.resolve(silent);
    return new Promise((resolve) => {
      const timer = this.options.wheel.schedule(QUERY_MS, () => resolve(silent));
      session.query(keyPrefix, (answer) => {
        timer.cancel();
        if (answer === null) resolve(silent);
        else resolve(ok({ resources: answer.resources, truncated: answer.truncated }));
      });
    });
  }

  getVersions({ proxy }: { readonly proxy: string }): Result<GetVersionsResponse, CallFault> {
    const found = this.find(proxy);
    if (!found.ok) return found;
    return ok({ resources: found.value.session.versions().sort((left, right) => byCodeUnit(left.key, right.key)) });
  }

  listObjects(request: ListObjectsRequest): Result<ListObjectsResponse, CallFault> {
    return ok({ objects: this.options.objects.list(request), replicas: this.options.server().replicas });
  }

  watchEvents(noFollow: boolean, emit: (event: MeshEvent) => void, ended: () => void): () => void {
    const stop = this.options.events.watch(emit);
    if (noFollow) {
      stop();
      ended();
    }
    return stop;
  }

  /** A token is for something that configuration names: a Service, a WorkloadEntry or a Gateway. */
  createToken(request: CreateTokenRequest): Result<CreateTokenResponse, CallFault> {
    const { namespace, service, lifetimeMs } = request;
    const { model, identity, memory, address } = this.options;
    const known = namesIn(model, namespace);
    const entry = model.object('WorkloadEntry', namespace, service);
    if (!known.has(service))
      return fail({ code: 'NotFound', message: unknownService(model, namespace, service, known) });
    // An entry says its account itself.
    const serviceAccount = request.serviceAccount || (entry?.spec.serviceAccount ?? service);
    const subject = { namespace, serviceAccount, workload: service };
    const created = identity.createToken(subject, address(), lifetimeMs);
    if (!created.ok) return created;
    if (model.object('Service', namespace, service) !== undefined && serviceAccount !== service) {
      memory.grant(namespace, serviceAccount, service);
    }
    return ok({ ...created.value, workload: `${namespace}/${serviceAccount}` });
  }

  async why({ request }: WhyRequest): Promise<Result<WhyResponse, CallFault>> {
    return ok(await this.options.observation.why(request));
  }

  getDashboard(): Result<GetDashboardResponse, CallFault> {
    const dashboard = this.options.dashboard();
    if (dashboard !== undefined) return ok(dashboard);
    return fail({
      code: 'FailedPrecondition',
      message: 'this control plane serves no dashboard; see --dashboard-port',
    });
  }

  getTraffic(request: GetTrafficRequest): Result<GetTrafficResponse, CallFault> {
    return ok(this.options.observation.traffic(request));
  }

  tap(
    request: TapRequest,
    emit: (event: TapEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): Result<() => void, CallFault> {
    return this.options.observation.tap(request, emit, ended);
  }

  /** Whether a proxy of exactly this name has its stream here. */
  isConnected(name: string): boolean {
    return this.options.registry.find(name)?.isConnected === true;
  }

  private find(name: string): Result<ProxyRecord, CallFault> {
    const { registry } = this.options;
    const chosen = chooseProxy(
      name,
      Array.from(registry.records, (record) => record.name),
    );
    if (!chosen.ok) return chosen;
    const found = registry.find(chosen.value);
    return found === undefined ? fail({ code: 'NotFound', message: `no proxy ${name}` }) : ok(found);
  }
}

/** The proxy that somebody means, of those there are; the fault names what is near. */
export function chooseProxy(name: string, names: readonly string[]): Result<string, CallFault> {
  if (names.includes(name)) return ok(name);
  // `cart` for `shop/cart-x7` is what people type.
  const meant = names.filter((known) => known.split('/')[1] === name);
  if (meant.length === 1) return ok(meant[0]!);
  const sorted = names.toSorted(byCodeUnit);
  const nearest = nearestWord(name, sorted);
  const hint = sorted.length === 0 ? 'no proxy is connected' : `connected: ${listed(sorted)}`;
  const guess = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  return fail({ code: 'NotFound', message: `no proxy ${name}; ${hint}${guess}` });
}

function namesIn(model: Model, namespace: string): Set<string> {
  const names = new Set<string>();
  for (const key of model.servicesByNamespace.get(namespace)) names.add(key.slice(namespace.length + 1));
  for (const gateway of model.pick('Gateway', model.gatewaysByNamespace.get(namespace)))
    names.add(gateway.metadata.name);
  for (const key of model.workloads.inNamespace(namespace)) {
    const entry = model.workloads.get(key)?.entry;
    if (entry !== undefined) names.add(entry.metadata.name);
  }
  return names;
}

function unknownService(model: Model, namespace: string, service: string, known: ReadonlySet<string>): string {
  const names = [...known].sort(byCodeUnit);
  if (names.length === 0) {
    const namespaces = [...model.servicesByNamespace.lefts()].sort(byCodeUnit);
    const others =
      namespaces.length === 0 ? 'there is none at all yet' : `namespaces with services: ${listed(namespaces)}`;
    return `no service ${service}: there is none in namespace ${namespace}; ${others}`;
  }
  const nearest = nearestWord(service, names);
  const guess = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  return `no service ${service} in namespace ${namespace}; known: ${listed(names)}${guess}`;
}

function listed(names: readonly string[]): string {
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  return `${names.slice(0, MOST_NAMES).join(', ')}${more}`;
}
