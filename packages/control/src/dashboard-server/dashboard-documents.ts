import { type Result, fail, ok } from '@weft/kernel';
import { type Model, byCodeUnit } from '@weft/model';
import type { AdminService, CallFault, MeshEvent, ObjectStatus, ProxyStatus, Reply, WhyResponse } from '@weft/wire';
import type { WhyJson } from '../observation/observation-json.ts';
import type { ObservationRoom } from '../observation/observation-room.ts';
import type { MeshDesk } from '../peers/mesh-desk.ts';
import type {
  EventsJson,
  ObjectsJson,
  OverviewJson,
  ProblemJson,
  ProxiesJson,
  ProxyCountsJson,
  ProxyJson,
  ServicesJson,
} from './dashboard-json.ts';

/** What the documents are read from. */
export interface DocumentSources {
  readonly desk: Pick<
    AdminService,
    'getServer' | 'listProxies' | 'getVersions' | 'listObjects' | 'watchEvents' | 'why'
  > &
    Pick<MeshDesk, 'endpoints'>;
  readonly observation: Pick<ObservationRoom, 'report' | 'topology' | 'service'>;
  readonly model: Model;
}

/** One address of the API, found. */
export interface DashboardDocument {
  /** How soon it is worth reading again; 0: it is a question, answered once. */
  readonly refreshMs: number;
  readonly read: () => Promise<Result<object, CallFault>>;
}

const API = '/api/v1/';
const DEFAULT_WINDOW_MS = 60_000;
const LEAST_WINDOW_MS = 5_000;
const MOST_WINDOW_MS = 1_800_000;
const MOST_PROBLEMS = 50;
const MOST_EVENTS = 200;
const MOST_SEGMENT_CHARACTERS = 512;
/** Sidecars tell every 5 s. */
const TRAFFIC_MS = 5_000;
const CONFIG_MS = 2_000;
/** Asks sidecars, so not more often than a person can read. */
const ASKING_MS = 5_000;

/** The document at a path of the API with its query; a fault that names what was wrong otherwise. Reads nothing yet. */
export function findDocument(url: URL, sources: DocumentSources): Result<DashboardDocument, CallFault> {
  const segments = segmentsOf(url.pathname);
  const windowMs = windowOf(url.searchParams);
  if (segments === undefined || !windowMs.ok) {
    return windowMs.ok ? fail({ code: 'InvalidArgument', message: 'the path is not well formed' }) : windowMs;
  }
  const found = match(segments, windowMs.value, sources);
  return found === undefined ? fail({ code: 'NotFound', message: `there is no ${url.pathname}` }) : ok(found);
}

function match(segments: readonly string[], windowMs: number, sources: DocumentSources): DashboardDocument | undefined {
  const [room, first = '', second = '', third = ''] = segments;
  const { desk, observation } = sources;
  const count = segments.length;
  const id = `${first}/${second}`;
  switch (room) {
    case 'overview':
      return count === 1 ? now(CONFIG_MS, () => overview(sources)) : undefined;
    case 'topology':
      return count === 1 ? now(TRAFFIC_MS, () => ok(observation.topology(windowMs))) : undefined;
    case 'services':
      if (count === 1) return now(CONFIG_MS, () => ok(services(sources.model)));
      if (count === 3) return now(TRAFFIC_MS, () => ok(observation.service(id, windowMs)));
      if (count !== 4 || third !== 'endpoints') return undefined;
      return { refreshMs: ASKING_MS, read: () => desk.endpoints(id) };
    case 'proxies':
      if (count === 1) return now(CONFIG_MS, () => desk.listProxies() satisfies Reply<ProxiesJson>);
      return count === 3 ? now(CONFIG_MS, () => proxy(sources, id, windowMs)) : undefined;
    case 'objects':
      if (count === 1) return now(CONFIG_MS, () => desk.listObjects({ kind: '', namespace: '', name: '' }));
      if (count !== 4) return undefined;
      return now(CONFIG_MS, () => object(sources, first, second === '-' ? '' : second, third));
    case 'events':
      return count === 1 ? now(CONFIG_MS, () => events(sources)) : undefined;
    case 'why':
      if (count !== 2 || first === '') return undefined;
      return { refreshMs: 0, read: async () => mapped(await desk.why({ request: first }), why(first)) };
    default:
      return undefined;
  }
}

function now(refreshMs: number, read: () => Reply<object>): DashboardDocument {
  return { refreshMs, read: async () => read() };
}

async function overview({ desk }: DocumentSources): Promise<Result<OverviewJson, CallFault>> {
  const [server, listed, objects] = await Promise.all([
    desk.getServer(),
    desk.listProxies(),
    desk.listObjects({ kind: '', namespace: '', name: '' }),
  ]);
  if (!server.ok) return server;
  if (!listed.ok) return listed;
  if (!objects.ok) return objects;
  const { proxies } = listed.value;
  const problems = objects.value.objects
    .flatMap(problemsOf)
    .sort((left, right) => byCodeUnit(left.severity, right.severity) || byCodeUnit(left.name, right.name));
  return ok({
    server: server.value,
    proxies: countsOf(proxies),
    problems: problems.slice(0, MOST_PROBLEMS),
    firstExpiry: firstExpiryOf(proxies),
  });
}

function countsOf(proxies: readonly ProxyStatus[]): ProxyCountsJson {
  const of = (state: ProxyStatus['state']): number => proxies.filter((proxy) => proxy.state === state).length;
  return {
    all: proxies.length,
    synced: of('Synced'),
    behind: of('Behind'),
    refusing: of('Refusing'),
    draining: of('Draining'),
    lost: of('Lost'),
  };
}

function firstExpiryOf(proxies: readonly ProxyStatus[]): OverviewJson['firstExpiry'] {
  let first: OverviewJson['firstExpiry'] = null;
  for (const { name, report, state } of proxies) {
    const atMs = report?.certificateNotAfterMs ?? 0;
    if (atMs > 0 && state !== 'Lost' && (first === null || atMs < first.atMs)) first = { proxy: name, atMs };
  }
  return first;
}

function problemsOf({ kind, namespace, name, problems }: ObjectStatus): ProblemJson[] {
  return problems.map(({ severity, path, message }) => ({
    severity,
    kind,
    namespace,
    name,
    message: path === '' ? message : `${path}: ${message}`,
  }));
}

function services(model: Model): ServicesJson {
  const all: string[] = [];
  for (const namespace of model.servicesByNamespace.lefts()) all.push(...model.servicesByNamespace.get(namespace));
  return { services: all.sort(byCodeUnit) };
}

async function proxy(
  { desk, observation }: DocumentSources,
  name: string,
  windowMs: number,
): Promise<Result<ProxyJson, CallFault>> {
  const listed = await desk.listProxies();
  if (!listed.ok) return listed;
  const status = listed.value.proxies.find((one) => one.name === name);
  if (status === undefined) {
    const silent = listed.value.replicas.filter((one) => one.silent !== '');
    const away = silent.map(({ replica }) => `; replica ${replica} of the control plane was not reached`).join('');
    return fail({ code: 'NotFound', message: `no proxy ${name} is connected, nor was one in the last seconds${away}` });
  }
  const versions = await desk.getVersions({ proxy: name });
  if (!versions.ok) return versions;
  const gauges = observation.report.gauges(name, windowMs) ?? null;
  return ok({ status, versions: versions.value.resources, gauges });
}

async function object(
  { desk }: DocumentSources,
  kind: string,
  namespace: string,
  name: string,
): Promise<Result<ObjectsJson, CallFault>> {
  const listed = await desk.listObjects({ kind, namespace, name });
  if (!listed.ok) return listed;
  // The list takes an empty namespace for any.
  const objects = listed.value.objects
    .filter((one) => one.namespace === namespace && one.name === name)
    .map(withoutSecrets);
  return objects.length > 0
    ? ok({ ...listed.value, objects })
    : fail({ code: 'NotFound', message: `there is no ${kind} ${name}` });
}

/** A Secret is read by the control plane and shown by nobody. */
function withoutSecrets(status: ObjectStatus): ObjectStatus {
  return status.kind === 'Secret' ? { ...status, yaml: '' } : status;
}

async function events({ desk }: DocumentSources): Promise<Result<EventsJson, CallFault>> {
  const seen: MeshEvent[] = [];
  await new Promise<void>((resolve) => void desk.watchEvents(true, (event) => void seen.push(event), resolve));
  return ok({ events: seen.slice(-MOST_EVENTS).toReversed() });
}

function why(request: string): (found: WhyResponse) => WhyJson {
  return ({ hops, rings }) => ({ request, hops, rings });
}

function mapped<A, B extends object>(result: Result<A, CallFault>, change: (value: A) => B): Result<B, CallFault> {
  return result.ok ? ok(change(result.value)) : result;
}

/** Decoded, so that a name may hold any character; undefined when an escape is broken or a segment beyond all names. */
function segmentsOf(path: string): string[] | undefined {
  if (!path.startsWith(API)) return undefined;
  try {
    const segments = path.slice(API.length).split('/').map(decodeURIComponent);
    return segments.some(({ length }) => length > MOST_SEGMENT_CHARACTERS) ? undefined : segments;
  } catch {
    return undefined;
  }
}

function windowOf(query: URLSearchParams): Result<number, CallFault> {
  const given = query.get('window');
  if (given === null) return ok(DEFAULT_WINDOW_MS);
  const windowMs = /^\d{1,8}$/.test(given) ? Number(given) : 0;
  if (windowMs >= LEAST_WINDOW_MS && windowMs <= MOST_WINDOW_MS) return ok(windowMs);
  return fail({
    code: 'InvalidArgument',
    message: `window: expected milliseconds from ${LEAST_WINDOW_MS} to ${MOST_WINDOW_MS}`,
  });
}
