import { type ObjectRef, type Problem, problemOf } from '@weft/model';
import {
  type ApplicationProbe,
  type ProbeTable,
  keptProbes,
  readProbeTable,
  rewriteProbes,
} from './application-probe.ts';
import {
  isOurVolume,
  makeCapture,
  makeSidecar,
  drainKeyHeader,
  drainKeyVariable,
  makeVolumes,
  metricsVariable,
  probesVariable,
} from './injected-container.ts';
import { type InjectionVerdict, isOurs, judgePod, sidecarContainer } from './injection-verdict.ts';
import { type InjectionSettings, sidecarPorts } from './injection-settings.ts';
import { type JsonMap, isMap, mapOf, mapsOf, textOf } from './json-map.ts';
import { readPodSettings } from './pod-settings.ts';
import { workloadName } from './workload-name.ts';

/** Where a pod is to run. */
export interface PodPlace {
  /** Empty when it is not known yet, as in a file. */
  readonly namespace: string;
  readonly namespaceLabels: JsonMap;
  /** Not to be guessed: whoever knows it can have the pod drained. An earlier injection's stays. */
  readonly drainKey: string;
}

/** What became of a pod. */
export type PodInjection =
  | {
      readonly kind: 'injected';
      readonly pod: JsonMap;
      /** For people, each a sentence. */ readonly notes: readonly string[];
    }
  | Exclude<InjectionVerdict, { kind: 'inject' }>;

/** What a stop leaves the application after callers have been told: Kubernetes kills at the end of the grace period. */
const GRACE_RESERVE_MS = 5_000;
const DEFAULT_GRACE_SECONDS = 30;
/** More are nobody's pod; the bound keeps the work on one object small. */
const MOST_CONTAINERS = 256;

/**
 * Puts a sidecar into a pod. Pure: the same pod, place and settings give the same answer, and an injected pod comes out as it
 * went in. `owner` names the workload the pod's template stands in, when the pod itself does not say.
 */
export function injectPod(pod: JsonMap, place: PodPlace, settings: InjectionSettings, owner = ''): PodInjection {
  const metadata = mapOf(pod['metadata']);
  const object: ObjectRef = {
    apiVersion: 'v1',
    kind: 'Pod',
    namespace: place.namespace,
    name: textOf(metadata['name']) || textOf(metadata['generateName']) || owner,
  };
  const shape = readShape(pod, object);
  if (shape.length > 0) return { kind: 'refuse', problems: shape };
  const verdict = judgePod(pod, place.namespaceLabels, object);
  if (verdict.kind !== 'inject') return verdict;
  const read = readPodSettings(metadata['annotations'], settings, object);
  if (!read.ok) return { kind: 'refuse', problems: read.error };
  const own = read.value;
  const captured = own.capture === 'Redirect';

  const spec = mapOf(pod['spec']);
  const earlier = earlierFacts(spec);
  const initContainers = mapsOf(spec['initContainers']).filter((container) => !isOurs(container));
  const containers = mapsOf(spec['containers']);
  const probes: Record<string, ApplicationProbe> = captured
    ? keptProbes(earlier.probes, [...containers, ...initContainers])
    : {};
  const led = (container: JsonMap): JsonMap => (captured ? rewriteProbes(container, probes) : container);
  const ledInit = initContainers.map((container) =>
    container['restartPolicy'] === 'Always' ? led(container) : container,
  );
  const graceMs = graceOf(spec) * 1_000;
  const drainDeadlineMs = own.drainDeadlineMs ?? Math.max(0, graceMs - GRACE_RESERVE_MS);
  const drainKey = earlier.drainKey || place.drainKey;
  const notes: string[] = [];
  const ledContainers = containers.map((container) =>
    waitForDrain(led(container), drainDeadlineMs > 0 ? drainKey : '', notes),
  );
  const scraped = scrape(mapOf(metadata['annotations']), earlier.metrics, captured);

  const sidecar = makeSidecar(settings, own, {
    workload: workloadName(metadata, owner),
    ports: portsOf([...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')]),
    probes,
    metrics: scraped.metrics,
    drainDeadlineMs,
    drainKey,
  });
  const pullSecrets = missingSecrets(spec, settings.imagePullSecrets);
  return {
    kind: 'injected',
    notes,
    pod: {
      ...pod,
      metadata: scraped.annotations === undefined ? metadata : { ...metadata, annotations: scraped.annotations },
      spec: {
        ...spec,
        ...(pullSecrets.length === 0
          ? {}
          : { imagePullSecrets: [...mapsOf(spec['imagePullSecrets']), ...pullSecrets] }),
        initContainers: [...(captured && !settings.cni ? [makeCapture(settings, own)] : []), sidecar, ...ledInit],
        containers: ledContainers,
        volumes: [...mapsOf(spec['volumes']).filter((volume) => !isOurVolume(volume)), ...makeVolumes(settings)],
      },
    },
  };
}

/** Lists that hold what they should: everything after may take them for what they are. */
function readShape(pod: JsonMap, object: ObjectRef): Problem[] {
  const problems: Problem[] = [];
  const wrong = (path: (string | number)[], expected: string): void => {
    problems.push(problemOf('wrong-type', { message: 'cannot be read', expected }, path, object, undefined));
  };
  const optionalMap = (value: unknown, path: (string | number)[]): void => {
    if (value !== undefined && value !== null && !isMap(value)) wrong(path, 'a map');
  };
  if (!isMap(pod['spec'])) {
    wrong(['spec'], 'a map');
    return problems;
  }
  optionalMap(pod['metadata'], ['metadata']);
  for (const field of ['labels', 'annotations']) optionalMap(mapOf(pod['metadata'])[field], ['metadata', field]);
  for (const list of ['initContainers', 'containers', 'volumes', 'imagePullSecrets']) {
    const value = pod['spec'][list];
    if (value === undefined || value === null) continue;
    if (!Array.isArray(value)) wrong(['spec', list], 'a list');
    else if (value.length > MOST_CONTAINERS) {
      const message = `${value.length} entries; at most ${MOST_CONTAINERS} are read`;
      problems.push(problemOf('too-long', { message }, ['spec', list], object, undefined));
    } else value.forEach((entry, index) => optionalMap(isMap(entry) ? undefined : (entry ?? 0), ['spec', list, index]));
  }
  if (problems.length === 0 && mapsOf(pod['spec']['containers']).length === 0) {
    problems.push(
      problemOf(
        'missing-field',
        { message: 'a pod has at least one container' },
        ['spec', 'containers'],
        object,
        undefined,
      ),
    );
  }
  return problems;
}

/** What the sidecar of an earlier injection was told that the pod itself does not say any more. */
function earlierFacts(spec: JsonMap): { probes: ProbeTable; metrics: string; drainKey: string } {
  const sidecar = mapsOf(spec['initContainers']).find(({ name }) => name === sidecarContainer);
  const variable = (wanted: string): string =>
    textOf(mapsOf(sidecar?.['env']).find(({ name }) => name === wanted)?.['value']);
  const read = readProbeTable(variable(probesVariable));
  return {
    probes: read.ok ? read.value : {},
    metrics: variable(metricsVariable),
    drainKey: variable(drainKeyVariable),
  };
}

/** Stops an application only after its callers know: until `/drain/wait` answers, it goes on serving. */
function waitForDrain(container: JsonMap, key: string, notes: string[]): JsonMap {
  const lifecycle = mapOf(container['lifecycle']);
  const path = '/drain/wait';
  const httpHeaders = [{ name: drainKeyHeader, value: key }];
  const preStop = { httpGet: { path, port: sidecarPorts.metrics, scheme: 'HTTP', httpHeaders } };
  if (isMap(lifecycle['preStop'])) {
    if (mapOf(lifecycle['preStop']['httpGet'])['path'] === path) return container;
    const name = textOf(container['name']);
    notes.push(
      `Container ${name} has a preStop of its own, which is kept: let it wait for http://POD:15020${path}, or requests that come during its stop may fail.`,
    );
    return container;
  }
  return key !== '' ? { ...container, lifecycle: { ...lifecycle, preStop } } : container;
}

/** Where Prometheus was told to look for the application's metrics, and the annotations that send it to the sidecar. */
function scrape(annotations: JsonMap, earlier: string, captured: boolean): { metrics: string; annotations?: JsonMap } {
  const name = (word: string): string => `prometheus.io/${word}`;
  if (!captured || annotations[name('scrape')] !== 'true') return { metrics: '' };
  const port = textOf(annotations[name('port')]);
  const path = textOf(annotations[name('path')]) || '/metrics';
  if (port === `${sidecarPorts.metrics}`) return { metrics: earlier };
  // Without a port Prometheus tries each one declared; an HTTPS scrape is authenticated by what the sidecar does not have.
  if (!/^[0-9]{1,5}$/.test(port) || annotations[name('scheme')] === 'https' || !path.startsWith('/'))
    return { metrics: '' };
  return {
    metrics: `${port}${path}`,
    annotations: { ...annotations, [name('port')]: `${sidecarPorts.metrics}`, [name('path')]: '/metrics' },
  };
}

function portsOf(containers: readonly JsonMap[]): string[] {
  const ports = new Map<number, string>();
  for (const port of containers.flatMap((container) => mapsOf(container['ports']))) {
    const number = port['containerPort'];
    if (typeof number !== 'number' || (port['protocol'] ?? 'TCP') !== 'TCP' || ports.has(number)) continue;
    const name = textOf(port['name']);
    ports.set(number, /^[a-z0-9-]{1,63}$/.test(name) ? `${name}=${number}` : `${number}`);
  }
  return [...ports.values()];
}

function graceOf(spec: JsonMap): number {
  const seconds = spec['terminationGracePeriodSeconds'];
  return typeof seconds === 'number' && seconds >= 0 ? Math.min(seconds, 3_600) : DEFAULT_GRACE_SECONDS;
}

function missingSecrets(spec: JsonMap, wanted: readonly string[]): JsonMap[] {
  const present = new Set(mapsOf(spec['imagePullSecrets']).map(({ name }) => name));
  return wanted.filter((name) => !present.has(name)).map((name) => ({ name }));
}
