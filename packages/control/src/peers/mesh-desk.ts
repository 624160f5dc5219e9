/**
 * What people and tools ask, answered for the whole mesh by whichever replica they ask. Each sidecar has its stream with one
 * replica; this desk puts its own answer together with those of the others:
 *
 *   traffic, topology            from what replicas tell each other all the time (`CounterFeed`)
 *   proxies, holders of objects  every replica is asked, and the lists are joined
 *   one proxy                    the replica that has its stream is asked
 *   events, taps                 every replica is listened to
 *
 * A replica that does not answer in time is named in the answer. Who may ask was judged before; another replica answers a
 * question for itself and passes it on to nobody.
 */
import { type Clock, type Result, fail, ok } from '@weft/kernel';
import { byCodeUnit } from '@weft/model';
import type {
  AdminService,
  AskedReplica,
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
  ProxyStatus,
  ServerInfo,
  ServiceView,
  TapEvent,
  TapRequest,
  ViewServicesResponse,
  WhyRequest,
  WhyResponse,
} from '@weft/wire';
import { type AdminDesk, chooseProxy } from '../admin-desk.ts';
import type { ObjectReport } from '../object-report.ts';
import type { ServiceEndpointsJson } from '../observation/observation-json.ts';
import type { ObservationRoom } from '../observation/observation-room.ts';
import { joinHolders } from './holders-elsewhere.ts';
import { joinTaps } from './joined-tap.ts';
import type { PeerRoom, ReplicaAnswer } from './peer-room.ts';

export interface MeshDeskOptions {
  /** Name of this replica. */
  readonly replica: string;
  readonly desk: AdminDesk;
  readonly objects: ObjectReport;
  readonly observation: ObservationRoom;
  /** Null: there are no others, and never will be. */
  readonly peers: PeerRoom | null;
  readonly clock: Clock;
}

interface JoinedProxies {
  readonly proxies: ReadonlyMap<string, JoinedProxy>;
  readonly replicas: readonly AskedReplica[];
}

interface JoinedProxy {
  readonly status: ProxyStatus;
  /** Where its stream is; empty: here. */
  readonly replica: string;
}

/** A replica waits for its proxy for 5 s. */
const CONFIG_MS = 6_000;
/** Several questions of one page or command are answered from one list. */
const FRESH_MS = 500;
/** What every replica tells of itself, because each reads the same configuration. */
const TOLD_BY_ALL: ReadonlySet<string> = new Set(['configuration-changed', 'object-refused', 'roots-changed']);

export class MeshDesk implements AdminService {
  private readonly options: MeshDeskOptions;
  private listed: Promise<JoinedProxies> | null;
  private listedAtMs: number;

  constructor(options: MeshDeskOptions) {
    this.options = options;
    this.listed = null;
    this.listedAtMs = 0;
  }

  async getServer(): Promise<Result<ServerInfo, CallFault>> {
    const own = this.options.desk.getServer();
    if (!own.ok) return own;
    const { proxies, replicas } = await this.proxies();
    return ok({ ...own.value, proxies: proxies.size, replicas });
  }

  async listProxies(): Promise<Result<ListProxiesResponse, CallFault>> {
    const { proxies, replicas } = await this.proxies();
    const all = Array.from(proxies.values(), ({ status }) => status);
    return ok({ proxies: all.sort((left, right) => byCodeUnit(left.name, right.name)), replicas });
  }

  getConfig(request: GetConfigRequest): Promise<Result<GetConfigResponse, CallFault>> {
    const { desk, peers } = this.options;
    return this.ofProxy(
      request.proxy,
      () => desk.getConfig(request),
      (replica, proxy) => peers?.askOne(replica, (client) => client.getConfig({ ...request, proxy }), CONFIG_MS),
    );
  }

  getVersions({ proxy: asked }: { readonly proxy: string }): Promise<Result<GetVersionsResponse, CallFault>> {
    const { desk, peers } = this.options;
    return this.ofProxy(
      asked,
      () => desk.getVersions({ proxy: asked }),
      (replica, proxy) => peers?.askOne(replica, (client) => client.getVersions(proxy)),
    );
  }

  async listObjects(request: ListObjectsRequest): Promise<Result<ListObjectsResponse, CallFault>> {
    const { objects, peers } = this.options;
    const answers = (await peers?.ask((client) => client.countHolders(request))) ?? [];
    return ok({ objects: objects.list(request, joinHolders(answers)), replicas: this.replicasOf(answers) });
  }

  getTraffic(request: GetTrafficRequest): Result<GetTrafficResponse, CallFault> {
    return this.options.desk.getTraffic(request);
  }

  why(request: WhyRequest): Promise<Result<WhyResponse, CallFault>> {
    return this.options.desk.why(request);
  }

  createToken(request: CreateTokenRequest): Result<CreateTokenResponse, CallFault> {
    return this.options.desk.createToken(request);
  }

  getDashboard(): Result<GetDashboardResponse, CallFault> {
    return this.options.desk.getDashboard();
  }

  /** How the balancers of a service's callers see it, asked now. */
  async endpoints(service: string): Promise<Result<ServiceEndpointsJson, CallFault>> {
    const { observation, peers } = this.options;
    const calls = observation.callsTo(service);
    const [here, answers] = await Promise.all([
      observation.viewServices(calls),
      peers?.ask((client) => client.viewServices({ calls })) ?? [],
    ]);
    const views = new Map<string, ServiceView>();
    const silent = new Set<string>();
    const take = (seen: ViewServicesResponse): void => {
      for (const view of seen.views) views.set(keyOf(view), view);
      for (const proxy of seen.silent) silent.add(proxy);
    };
    for (const { answer } of answers) if (answer.ok) take(answer.value);
    take(here);
    const sorted = [...views.values()].sort((left, right) => byCodeUnit(left.proxy, right.proxy));
    // One that has just moved is silent where it was.
    for (const { proxy } of sorted) silent.delete(proxy);
    return ok({ id: service, views: sorted, silent: [...silent].sort(byCodeUnit), replicas: this.replicasOf(answers) });
  }

  /** Those of other replicas as they come; when nothing new is wanted, all that are remembered in the order of their time. */
  watchEvents(noFollow: boolean, emit: (event: MeshEvent) => void, ended: () => void): () => void {
    const { desk, peers } = this.options;
    const fromElsewhere = (event: MeshEvent): void => {
      if (!TOLD_BY_ALL.has(event.type)) emit(event);
    };
    if (!noFollow) {
      const stopHere = desk.watchEvents(false, emit, ended);
      // One that is gone says no more until somebody asks again.
      const stopElsewhere = peers?.follow(
        (client) => client.watchEvents(false, fromElsewhere, () => undefined),
        () => undefined,
      );
      return () => {
        stopHere();
        stopElsewhere?.();
      };
    }
    let isOpen = true;
    void this.remembered().then((events) => {
      for (const event of events) if (isOpen) emit(event);
      if (isOpen) ended();
    });
    return () => {
      isOpen = false;
    };
  }

  tap(
    request: TapRequest,
    emit: (event: TapEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): Result<() => void, CallFault> {
    const { desk, peers } = this.options;
    return peers === null ? desk.tap(request, emit, ended) : joinTaps(desk, peers, request, emit, ended);
  }

  private async remembered(): Promise<MeshEvent[]> {
    const { desk, peers } = this.options;
    const events: MeshEvent[] = [];
    desk.watchEvents(
      true,
      (event) => events.push(event),
      () => undefined,
    );
    const stops: (() => void)[] = [];
    const answers = await peers?.ask(
      (client) =>
        new Promise<Result<readonly MeshEvent[], CallFault>>((resolve) => {
          const theirs: MeshEvent[] = [];
          const stop = client.watchEvents(
            true,
            (event) => theirs.push(event),
            (fault) => resolve(fault === null ? ok(theirs) : fail(fault)),
          );
          stops.push(stop);
        }),
    );
    // Who was too slow would be listened to for ever.
    for (const stop of stops) stop();
    for (const { answer } of answers ?? []) {
      if (answer.ok) events.push(...answer.value.filter(({ type }) => !TOLD_BY_ALL.has(type)));
    }
    return events.sort((left, right) => left.atMs - right.atMs);
  }

  /** Asks whoever has the stream of a proxy. */
  private async ofProxy<T>(
    asked: string,
    here: () => Result<T, CallFault> | Promise<Result<T, CallFault>>,
    there: (replica: string, proxy: string) => Promise<Result<T, CallFault>> | undefined,
  ): Promise<Result<T, CallFault>> {
    const { desk, peers } = this.options;
    if (peers === null || desk.isConnected(asked)) return here();
    const { proxies, replicas } = await this.proxies();
    const chosen = chooseProxy(asked, [...proxies.keys()]);
    if (!chosen.ok) {
      const { code, message } = chosen.error;
      return fail({ code, message: `${message}${unreachedNote(replicas)}` });
    }
    const replica = proxies.get(chosen.value)?.replica ?? '';
    const answer = replica === '' ? undefined : await there(replica, chosen.value);
    if (answer === undefined) return here();
    if (answer.ok || (answer.error.code !== 'Unavailable' && answer.error.code !== 'DeadlineExceeded')) return answer;
    // Not as it came: this control plane is there, and who asks it should not look for another.
    const message = `replica ${replica}, which has the stream of ${chosen.value}, did not answer: ${answer.error.message}; try again`;
    return fail({ code: 'DeadlineExceeded', message });
  }

  private proxies(): Promise<JoinedProxies> {
    const nowMs = this.options.clock.nowMs();
    if (this.listed !== null && nowMs - this.listedAtMs < FRESH_MS) return this.listed;
    this.listedAtMs = nowMs;
    this.listed = this.joinProxies();
    return this.listed;
  }

  private async joinProxies(): Promise<JoinedProxies> {
    const { desk, peers } = this.options;
    const answers = (await peers?.ask((client) => client.listProxies())) ?? [];
    const proxies = new Map<string, JoinedProxy>();
    for (const { replica, answer } of answers) {
      for (const status of answer.ok ? answer.value.proxies : []) putProxy(proxies, { status, replica });
    }
    const own = desk.listProxies();
    for (const status of own.ok ? own.value.proxies : []) putProxy(proxies, { status, replica: '' });
    return { proxies, replicas: this.replicasOf(answers) };
  }

  private replicasOf(answers: readonly ReplicaAnswer<unknown>[]): readonly AskedReplica[] {
    const others = answers.map(({ replica, answer }) => ({ replica, silent: answer.ok ? '' : answer.error.message }));
    return [{ replica: this.options.replica, silent: '' }, ...others];
  }
}

/** One that has just moved is known to both: where it is connected counts, and there the newer stream. */
function putProxy(proxies: Map<string, JoinedProxy>, one: JoinedProxy): void {
  const known = proxies.get(one.status.name);
  if (known === undefined || rankOf(one) > rankOf(known)) proxies.set(one.status.name, one);
}

function rankOf({ status }: JoinedProxy): number {
  return status.state === 'Lost' ? 0 : status.connectedAtMs;
}

function keyOf({ proxy, backends }: ServiceView): string {
  return `${proxy} ${backends.map(({ backend }) => backend).join(' ')}`;
}

function unreachedNote(replicas: readonly AskedReplica[]): string {
  const silent = replicas.filter((one) => one.silent !== '');
  if (silent.length === 0) return '';
  const which = silent.map(({ replica, silent: why }) => `${replica} (${why})`).join(', ');
  return `; ${silent.length} of ${replicas.length} replicas of the control plane not reached, whose sidecars are not known here: ${which}`;
}
