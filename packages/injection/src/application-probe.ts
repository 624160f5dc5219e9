import { type Result, fail, ok } from '@weft/kernel';
import { type JsonMap, isMap, mapOf, mapsOf, textOf } from './json-map.ts';
import { sidecarPorts } from './injection-settings.ts';

/**
 * A probe that the sidecar makes in place of the kubelet: under Strict nobody outside the mesh reaches the application, and a
 * redirected TCP probe would find the sidecar and say nothing of the application.
 */
export type ApplicationProbe =
  | {
      readonly type: 'http';
      readonly port: number;
      readonly scheme: 'http' | 'https';
      readonly path: string;
      readonly headers: readonly (readonly [name: string, value: string])[];
      readonly timeoutMs: number;
    }
  | { readonly type: 'grpc'; readonly port: number; readonly service: string; readonly timeoutMs: number }
  | { readonly type: 'tcp'; readonly port: number; readonly timeoutMs: number };

/** By the path on the metrics port under which the sidecar makes the probe. */
export type ProbeTable = Readonly<Record<string, ApplicationProbe>>;

export const probePathPrefix = '/app-health/';

const probeKinds = [
  ['livenessProbe', 'livez'],
  ['readinessProbe', 'readyz'],
  ['startupProbe', 'startupz'],
] as const;

/** Kubernetes' own default. */
const PROBE_TIMEOUT_MS = 1_000;
/** A hook has no time-out of its own; the kubelet's ends it with the grace period. */
const HOOK_TIMEOUT_MS = 30_000;
/** Variables hold no more than the start of a process takes. */
const LONGEST_TABLE = 65_536;
const MOST_PROBES = 512;

/**
 * The container with its HTTP, gRPC and TCP probes and HTTP hooks led through the sidecar, and what the sidecar has to know of
 * them in `table`. What was led through it before is kept as it is. Probes of another host and `exec` are left alone.
 */
export function rewriteProbes(container: JsonMap, table: Record<string, ApplicationProbe>): JsonMap {
  const name = textOf(container['name']);
  const rewritten: Record<string, unknown> = { ...container };
  for (const [field, word] of probeKinds) {
    if (!isMap(container[field])) continue;
    const probe = mapOf(container[field]);
    const path = `${probePathPrefix}${name}/${word}`;
    const read = readProbe(container, probe, milliseconds(probe['timeoutSeconds']));
    if (read === undefined) continue;
    table[path] = read;
    const { httpGet: _http, grpc: _grpc, tcpSocket: _tcp, ...rest } = probe;
    rewritten[field] = { httpGet: { path, port: sidecarPorts.metrics, scheme: 'HTTP' }, ...rest };
  }
  const lifecycle = mapOf(container['lifecycle']);
  for (const hook of ['postStart', 'preStop']) {
    const read = readProbe(container, mapOf(lifecycle[hook]), HOOK_TIMEOUT_MS);
    if (read === undefined) continue;
    const path = `${probePathPrefix}${name}/${hook.toLowerCase()}`;
    table[path] = read;
    rewritten['lifecycle'] = {
      ...mapOf(rewritten['lifecycle']),
      [hook]: { httpGet: { path, port: sidecarPorts.metrics, scheme: 'HTTP' } },
    };
  }
  return rewritten;
}

/** The probes an earlier injection led through the sidecar, of containers that are still there. */
export function keptProbes(earlier: ProbeTable, containers: readonly JsonMap[]): Record<string, ApplicationProbe> {
  const names = new Set(containers.map(({ name }) => textOf(name)));
  return Object.fromEntries(
    Object.entries(earlier).filter(([path]) => names.has(path.slice(probePathPrefix.length).split('/')[0] ?? '')),
  );
}

export function writeProbeTable(table: ProbeTable): string {
  return JSON.stringify(Object.fromEntries(Object.entries(table).sort(([left], [right]) => (left < right ? -1 : 1))));
}

/** Reads what `writeProbeTable` wrote; the error is a sentence for a person. */
export function readProbeTable(text: string): Result<ProbeTable, string> {
  if (text === '') return ok({});
  const expected = 'expected what the injector wrote';
  if (text.length > LONGEST_TABLE) return fail(`longer than ${LONGEST_TABLE} characters; ${expected}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fail(`no JSON; ${expected}`);
  }
  if (!isMap(value) || Object.keys(value).length > MOST_PROBES) return fail(expected);
  for (const [path, probe] of Object.entries(value)) {
    if (!path.startsWith(probePathPrefix) || !isProbe(mapOf(probe))) return fail(`${path.slice(0, 80)}: ${expected}`);
  }
  return ok(value as ProbeTable);
}

function isProbe(probe: JsonMap): boolean {
  if (!isPort(probe['port']) || typeof probe['timeoutMs'] !== 'number') return false;
  if (probe['type'] === 'tcp') return true;
  if (probe['type'] === 'grpc') return typeof probe['service'] === 'string';
  const { headers } = probe;
  const pair = (entry: unknown): boolean =>
    Array.isArray(entry) && entry.length === 2 && entry.every((part) => typeof part === 'string');
  return (
    probe['type'] === 'http' &&
    (probe['scheme'] === 'http' || probe['scheme'] === 'https') &&
    textOf(probe['path']).startsWith('/') &&
    Array.isArray(headers) &&
    headers.every(pair)
  );
}

/** Undefined when the kubelet is to make the probe itself, as it does for what is wrong in it. */
function readProbe(container: JsonMap, probe: JsonMap, timeoutMs: number): ApplicationProbe | undefined {
  if (isMap(probe['httpGet'])) {
    const get = probe['httpGet'];
    const port = portOf(container, get['port']);
    const path = get['path'] === undefined || get['path'] === '' ? '/' : textOf(get['path']);
    if (port === undefined || textOf(get['host']) !== '' || !/^\/[\x21-\x7e]*$/.test(path)) return undefined;
    if (path.startsWith('/drain/') && port === sidecarPorts.metrics) return undefined;
    const headers = mapsOf(get['httpHeaders']).map(({ name, value }) => [textOf(name), textOf(value)] as const);
    return { type: 'http', port, scheme: get['scheme'] === 'HTTPS' ? 'https' : 'http', path, headers, timeoutMs };
  }
  if (isMap(probe['grpc'])) {
    const port = portOf(container, probe['grpc']['port']);
    return port === undefined
      ? undefined
      : { type: 'grpc', port, service: textOf(probe['grpc']['service']), timeoutMs };
  }
  if (!isMap(probe['tcpSocket']) || textOf(probe['tcpSocket']['host']) !== '') return undefined;
  const port = portOf(container, probe['tcpSocket']['port']);
  return port === undefined ? undefined : { type: 'tcp', port, timeoutMs };
}

/** Undefined for a name the container does not have, and for the sidecar's own port: what stands there was rewritten before. */
function portOf(container: JsonMap, port: unknown): number | undefined {
  const named = typeof port === 'string' ? (namedPort(container, port) ?? Number(port)) : port;
  return isPort(named) && named !== sidecarPorts.metrics ? named : undefined;
}

function namedPort(container: JsonMap, name: string): unknown {
  return mapsOf(container['ports']).find((port) => port['name'] === name)?.['containerPort'];
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function milliseconds(seconds: unknown): number {
  return typeof seconds === 'number' && seconds >= 1 && seconds <= 3_600 ? seconds * 1_000 : PROBE_TIMEOUT_MS;
}
