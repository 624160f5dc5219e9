import { type Result, fail, ok } from '@weft/kernel';
import type {
  CallFault,
  GetConfigRequest,
  GetConfigResponse,
  GetTrafficRequest,
  GetTrafficResponse,
  ListObjectsRequest,
  ObjectStatus,
  ProxyStatus,
  ResourceVersion,
  ServerInfo,
  TapEvent,
  TapRequest,
  Traffic,
  WhyResponse,
} from '@weft/wire';
import type { ControlAdmin } from '../control-admin.ts';

/** Several control planes of one mesh, asked as one: each knows the proxies that are connected to it. */
export class JoinedAdmin implements ControlAdmin {
  private readonly admins: readonly ControlAdmin[];

  constructor(admins: readonly ControlAdmin[]) {
    this.admins = admins;
  }

  async getServer(): Promise<Result<ServerInfo, CallFault>> {
    const answers = await this.all((admin) => admin.getServer());
    if (!answers.ok) return answers;
    const [first] = answers.value;
    return ok({
      ...first!,
      server: answers.value.map(({ server }) => server).join(', '),
      proxies: sum(answers.value, ({ proxies }) => proxies),
      startedAtMs: Math.min(...answers.value.map(({ startedAtMs }) => startedAtMs)),
    });
  }

  async listProxies(): Promise<Result<{ readonly proxies: readonly ProxyStatus[] }, CallFault>> {
    const answers = await this.all((admin) => admin.listProxies());
    if (!answers.ok) return answers;
    const byName = new Map<string, ProxyStatus>();
    for (const proxy of answers.value.flatMap(({ proxies }) => proxies)) {
      const known = byName.get(proxy.name);
      // One that moved is lost where it was.
      if (known === undefined || known.state === 'Lost') byName.set(proxy.name, proxy);
    }
    const proxies = [...byName.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
    return ok({ proxies });
  }

  getConfig(request: GetConfigRequest): Promise<Result<GetConfigResponse, CallFault>> {
    return this.one((admin) => admin.getConfig(request));
  }

  getVersions(proxy: string): Promise<Result<{ readonly resources: readonly ResourceVersion[] }, CallFault>> {
    return this.one((admin) => admin.getVersions(proxy));
  }

  /** Numbers of proxies are added; a condition is what it is where it is worst. */
  async listObjects(
    request: ListObjectsRequest,
  ): Promise<Result<{ readonly objects: readonly ObjectStatus[] }, CallFault>> {
    const answers = await this.all((admin) => admin.listObjects(request));
    if (!answers.ok) return answers;
    const byKey = new Map<string, ObjectStatus>();
    for (const object of answers.value.flatMap(({ objects }) => objects)) {
      const key = `${object.kind}/${object.namespace}/${object.name}`;
      const known = byKey.get(key);
      byKey.set(key, known === undefined ? object : joinObjects(known, object));
    }
    return ok({ objects: [...byKey.values()] });
  }

  async why(request: string): Promise<Result<WhyResponse, CallFault>> {
    const first = await this.all((admin) => admin.why(request));
    if (!first.ok) return first;
    const traces = new Set(first.value.flatMap(({ hops }) => hops.map(({ hop }) => hop.traceId)));
    traces.delete('');
    traces.delete(request);
    const [trace] = traces;
    // A request id leads one control plane to the trace, and the others by it to the rest.
    const more = trace === undefined ? first : await this.all((admin) => admin.why(trace));
    const answers = [...first.value, ...(more.ok ? more.value : [])];
    const hops = new Map<string, WhyResponse['hops'][number]>();
    for (const one of answers.flatMap((answer) => answer.hops)) {
      const { hop, proxy } = one;
      hops.set(`${proxy} ${hop.direction} ${hop.requestId} ${hop.traceId} ${hop.startedAtMs} ${hop.path}`, one);
    }
    const rings = new Map(answers.flatMap((answer) => answer.rings).map((ring) => [ring.proxy, ring]));
    for (const ring of first.value.flatMap((answer) => answer.rings)) {
      if (ring.silent === '') rings.set(ring.proxy, ring);
    }
    const listed = await this.listProxies();
    const proxies = new Map((listed.ok ? listed.value.proxies : []).map((proxy) => [proxy.name, proxy]));
    const { orderHops } = await import('@weft/control');
    const found = [...hops.values()].map(({ proxy, workload, hop }) => {
      const { identity = '', listeners = [] } = proxies.get(proxy) ?? {};
      return { proxy, workload, hop, identity, addresses: listeners.map(({ address, port }) => `${address}:${port}`) };
    });
    return ok({ hops: orderHops(found), rings: [...rings.values()] });
  }

  /**
   * Rows of the same edge stand side by side. What a callee counted of a caller that reports elsewhere is left out: the caller
   * has counted it.
   */
  async getTraffic(request: GetTrafficRequest): Promise<Result<GetTrafficResponse, CallFault>> {
    const answers = await this.all((admin) => admin.getTraffic(request));
    if (!answers.ok) return answers;
    const listed = await this.listProxies();
    if (!listed.ok) return listed;
    const callers = new Set(
      listed.value.proxies.map(({ workload }) => `${workload.namespace}/${workload.serviceAccount}`),
    );
    const isCounted = ({ direction, source }: Traffic): boolean => direction === 'Outbound' || !callers.has(source);
    return ok({
      coveredMs: Math.max(...answers.value.map(({ coveredMs }) => coveredMs)),
      proxies: sum(answers.value, ({ proxies }) => proxies),
      edges: answers.value.flatMap(({ edges }) => edges).filter(isCounted),
    });
  }

  tap(request: TapRequest, event: (event: TapEvent) => void, ended: (fault: CallFault | null) => void): () => void {
    let left = this.admins.length;
    const faults: CallFault[] = [];
    const stops = this.admins.map((admin) =>
      admin.tap(request, event, (fault) => {
        left -= 1;
        if (fault !== null) faults.push(fault);
        if (left > 0) return;
        // Where nothing fits is no fault while it fits elsewhere.
        const isOver = faults.length < this.admins.length;
        ended(isOver ? null : (faults.find(({ code }) => code !== 'NotFound') ?? faults[0] ?? null));
      }),
    );
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Whoever does not answer is left out, unless nobody does or the caller is refused. */
  private async all<T>(ask: (admin: ControlAdmin) => Promise<Result<T, CallFault>>): Promise<Result<T[], CallFault>> {
    const answers = await Promise.all(this.admins.map(ask));
    const given = answers.flatMap((answer) => (answer.ok ? [answer.value] : []));
    const faults = answers.flatMap((answer) => (answer.ok ? [] : [answer.error]));
    const grave = faults.find(({ code }) => code !== 'Unavailable' && code !== 'DeadlineExceeded');
    if (given.length > 0 && grave === undefined) return ok(given);
    return fail(grave ?? faults[0]!);
  }

  /** Of whichever has the proxy. */
  private async one<T>(ask: (admin: ControlAdmin) => Promise<Result<T, CallFault>>): Promise<Result<T, CallFault>> {
    const answers = await Promise.all(this.admins.map(ask));
    const given = answers.find((answer) => answer.ok);
    return given ?? answers.find((answer) => !answer.ok && answer.error.code !== 'NotFound') ?? answers[0]!;
  }
}

function joinObjects(left: ObjectStatus, right: ObjectStatus): ObjectStatus {
  const conditions = left.conditions.map((condition) => {
    const other = right.conditions.find(({ type, about }) => type === condition.type && about === condition.about);
    return condition.status === 'True' && other !== undefined && other.status !== 'True' ? other : condition;
  });
  return {
    ...left,
    conditions,
    proxies: left.proxies + right.proxies,
    programmed: left.programmed + right.programmed,
  };
}

function sum<T>(all: readonly T[], read: (one: T) => number): number {
  return all.reduce((total, one) => total + read(one), 0);
}
