import { byCodeUnit } from '../canonical/canonical-bytes.ts';
import type { ObjectOf } from '../kinds/kind-table.ts';
import type { TelemetrySpec } from '../kinds/telemetry-policy.ts';
import type { Model } from '../view/model.ts';
import type {
  AccessLogSettings,
  MetricSettings,
  RouteTelemetry,
  TelemetrySettings,
  TraceSettings,
} from '../view/resource.ts';
import type { Workload } from '../view/workload-index.ts';
import { byAge } from './policy-layers.ts';

const MILLION = 1_000_000;

/**
 * What a workload tells of its requests. Nearest first: route > workload > namespace > Mesh; of several policies at one level the
 * older is asked first. Merged leaf by leaf; a part that nobody speaks of is null.
 */
export function effectiveTelemetry(model: Model, { namespace, labels }: Workload): TelemetrySettings | null {
  const selected = [...model.pick('TelemetryPolicy', model.telemetryByTarget.get(`Selector//${namespace}`))].filter(
    ({ spec }) => Object.entries(spec.selector?.matchLabels ?? {}).every(([name, value]) => labels[name] === value),
  );
  const layers: TelemetrySpec[] = [
    ...specs(selected),
    ...specs(model.pick('TelemetryPolicy', model.telemetryByTarget.get(`Namespace//${namespace}`))),
  ];
  const mesh = model.mesh()?.spec.defaults?.telemetry;
  if (mesh !== undefined) layers.push(mesh);
  const routes = [...model.telemetryRoutes()]
    .sort(byCodeUnit)
    .map((target) => routeTelemetry(model, target, layers))
    .filter(({ accessLog, traces }) => accessLog !== null || traces !== null);
  const settings = {
    accessLog: accessLogOf(layers),
    traces: tracesOf(layers),
    metrics: metricsOf(layers),
    routes,
  };
  const silent = settings.accessLog === null && settings.traces === null && settings.metrics === null;
  return silent && routes.length === 0 ? null : settings;
}

function routeTelemetry(model: Model, target: string, below: readonly TelemetrySpec[]): RouteTelemetry {
  const layers = [...specs(model.pick('TelemetryPolicy', model.telemetryByTarget.get(target))), ...below];
  const [kind, namespace, name] = target.split('/') as [string, string, string];
  return { route: `${kind} ${namespace}/${name}`, accessLog: accessLogOf(layers), traces: tracesOf(layers) };
}

function specs(policies: Iterable<ObjectOf<'TelemetryPolicy'>>): TelemetrySpec[] {
  return [...policies].sort(byAge).map(({ spec }) => spec);
}

function accessLogOf(layers: readonly TelemetrySpec[]): AccessLogSettings | null {
  const said = layers.flatMap(({ accessLog }) => accessLog ?? []);
  if (said.length === 0) return null;
  const fraction = first(said, ({ fraction }) => fraction);
  return {
    when: first(said, ({ when }) => when) ?? 'Errors',
    format: first(said, ({ format }) => format) ?? 'Json',
    filter: first(said, ({ filter }) => filter) ?? '',
    perMillion: fraction === undefined ? MILLION : perMillion(fraction),
    query: first(said, ({ query }) => query) ?? 'Redact',
  };
}

function tracesOf(layers: readonly TelemetrySpec[]): TraceSettings | null {
  const said = layers.flatMap(({ traces }) => traces ?? []);
  if (said.length === 0) return null;
  const fraction = first(said, ({ fraction }) => fraction);
  return {
    sampledPerMillion: fraction === undefined ? DEFAULT_SAMPLED_PER_MILLION : perMillion(fraction),
    parentBased: first(said, ({ parentBased }) => parentBased) ?? true,
    maxPerSecond: first(said, ({ maxPerSecond }) => maxPerSecond) ?? 0,
    keepsErrors: first(said, ({ keepErrors }) => keepErrors) ?? false,
    propagation: first(said, ({ propagation }) => propagation) ?? ['W3C'],
  };
}

/** One of a hundred, as the flag of a proxy has it. */
const DEFAULT_SAMPLED_PER_MILLION = 10_000;

function metricsOf(layers: readonly TelemetrySpec[]): MetricSettings | null {
  const said = layers.flatMap(({ metrics }) => metrics ?? []);
  if (said.length === 0) return null;
  return {
    maxSeries: first(said, ({ maxSeries }) => maxSeries) ?? 5_000,
    names: first(said, ({ names }) => names) ?? 'Weft',
    without: [...(first(said, ({ without }) => without) ?? [])].sort(byCodeUnit),
  };
}

function first<S, V>(layers: readonly S[], read: (layer: S) => V | undefined): V | undefined {
  for (const layer of layers) {
    const value = read(layer);
    if (value !== undefined) return value;
  }
  return undefined;
}

function perMillion({ numerator, denominator = 100 }: { readonly numerator: number; readonly denominator?: number }) {
  return Math.round((numerator / denominator) * MILLION);
}
