import { writeDuration } from '@weft/kernel';
import { type EffectiveTraffic, Model, type ObjectOf, effectiveTraffic, readDocuments, readObject } from '@weft/model';
import { answerOf } from '../admin-connection.ts';
import type { ControlAdmin } from '../control-admin.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';

/** One value of a policy, and which object said it. */
export interface PolicyValue {
  /** As in a `TrafficPolicy`: `timeouts.connect`. */
  readonly field: string;
  readonly value: string;
  /** `TrafficPolicy shop/orders`, or `built-in`. */
  readonly source: string;
}

export interface PolicyQuestion {
  /** `orders`, `shop/orders` or `shop/orders:80`; without a port the first. */
  readonly service: string;
  readonly namespace: string;
  /** Namespace of the caller; empty: the service's. */
  readonly callerNamespace: string;
  /** `namespace/name` of a route whose rule is asked about; empty: none. */
  readonly route: string;
  readonly rule: number;
}

export interface PolicyAnswer {
  readonly destination: string;
  readonly effective: EffectiveTraffic;
}

/** How many objects are asked for at once. */
const CALLS_AT_ONCE = 16;

/** Merges the layers as the control plane does, with its own code, from the objects it holds. */
export async function askPolicy(admin: ControlAdmin, question: PolicyQuestion): Promise<PolicyAnswer> {
  const parts = /^(?:([^/]+)\/)?([^/:]+)(?::(\d{1,5}))?$/.exec(question.service);
  const name = parts?.[2] ?? '';
  const namespace = parts?.[1] ?? question.namespace;
  const [routeNamespace = '', routeName = ''] = question.route.split('/');
  const all = answerOf(await admin.listObjects({ kind: '', namespace: '', name: '' })).objects;
  const wanted = all.filter(
    (object) =>
      object.kind === 'TrafficPolicy' ||
      object.kind === 'Mesh' ||
      (object.kind === 'Service' && object.namespace === namespace && object.name === name) ||
      ((object.kind === 'HTTPRoute' || object.kind === 'GRPCRoute') &&
        object.namespace === routeNamespace &&
        object.name === routeName),
  );
  const model = new Model();
  let service: ObjectOf<'Service'> | undefined;
  for (let at = 0; at < wanted.length; at += CALLS_AT_ONCE) {
    const batch = wanted.slice(at, at + CALLS_AT_ONCE);
    const texts = await Promise.all(
      batch.map(async (object) => answerOf(await admin.listObjects(object)).objects[0]?.yaml ?? ''),
    );
    for (const { raw, origin } of texts.flatMap((text) => readDocuments(text, '').documents)) {
      const { object } = readObject(raw, origin);
      if (object === undefined) continue;
      model.applyChanges([{ type: 'Upsert', object }]);
      if (object.kind === 'Service') service = object;
    }
  }
  if (service === undefined) {
    const known = all.filter(({ kind }) => kind === 'Service').map((object) => `${object.namespace}/${object.name}`);
    throw new CommandFault(
      exitCodes.unwell,
      `no service ${namespace}/${name}; there are ${known.join(', ') || 'none'}`,
    );
  }
  const destination = `${namespace}/${name}:${parts?.[3] ?? service.spec.ports?.[0]?.port ?? 0}`;
  const caller = question.callerNamespace === '' ? namespace : question.callerNamespace;
  const effective = effectiveTraffic(model, destination, caller, question.route, question.rule);
  if (effective === undefined) {
    const place = question.route === '' ? '' : `, or route ${question.route} has no rule ${question.rule}`;
    throw new CommandFault(exitCodes.unwell, `${destination} is no port of that service${place}`);
  }
  return { destination, effective };
}

/** Value by value. Durations as in files; what is off says so. */
export function policyValues({ request, endpoint }: EffectiveTraffic): PolicyValue[] {
  const sources = { ...request.sources, ...endpoint.sources };
  const { sources: _request, ...requestFields } = request;
  const { sources: _endpoint, ...endpointFields } = endpoint;
  return Object.entries({ ...requestFields, ...endpointFields }).flatMap(([name, value]) =>
    flatten(fieldNames[name] ?? name, value).map(([field, text]) => ({
      field,
      value: text,
      source: sourceOf(sources, field),
    })),
  );
}

/** Where the merged form has another name than the file. */
const fieldNames: Readonly<Record<string, string>> = { maxRequests: 'concurrency.maxRequests' };

function flatten(field: string, value: unknown): (readonly [string, string])[] {
  if (value === null) return [[field, 'off']];
  if (Array.isArray(value)) return [[field, value.map(rangeText).join(', ')]];
  if (typeof value === 'object') {
    return Object.entries(value as object).flatMap(([name, inner]) => flatten(`${field}.${name}`, inner));
  }
  if (typeof value === 'number' && field.endsWith('Ms')) return [[field.slice(0, -2), writeDuration(value)]];
  return [[field, String(value)]];
}

function rangeText(value: unknown): string {
  if (typeof value !== 'object' || value === null || !('from' in value) || !('to' in value)) return String(value);
  return value.from === value.to ? String(value.from) : `${String(value.from)}-${String(value.to)}`;
}

/** Of the nearest enclosing block that has one. */
function sourceOf(sources: Readonly<Record<string, string>>, field: string): string {
  for (let path = field; path !== ''; path = path.slice(0, Math.max(0, path.lastIndexOf('.')))) {
    const source = sources[path];
    if (source !== undefined) return source;
  }
  return 'built-in';
}
