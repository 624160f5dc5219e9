import type { Tables } from '@weft/decision';
import {
  type DestinationKey,
  type Model,
  byCodeUnit,
  destinations,
  resolveBackend,
  resolveEndpoints,
  resolveInbound,
  resolveMesh,
} from '@weft/model';
import { callerResources, compileView } from '../caller-view.ts';
import { type FieldChange, fieldChangesOf } from './field-change.ts';
import { type RuleChange, diffRules } from './rule-diff.ts';

/** What is different for one party about one thing. */
export interface MeshChange {
  readonly kind: RuleChange['kind'];
  /** What it is about. */
  readonly area: 'mesh' | 'destination' | 'route' | 'policy' | 'endpoints' | 'inbound' | 'listener';
  /** Who notices: `all callers`, `callers of web`, `Gateway shop/edge`, `workload shop/cart-1`. */
  readonly who: string;
  /** `shop/orders:80`, `shop/edge/http`, a workload; empty for the mesh. */
  readonly subject: string;
  /** The match of a rule; else empty. */
  readonly match: string;
  readonly before: string;
  readonly after: string;
  readonly fields: readonly FieldChange[];
}

/**
 * What changes in behaviour between two configurations, in a fixed order. Objects that are written otherwise and do the same
 * give nothing.
 */
export function diffMeshes(before: Model, after: Model): MeshChange[] {
  const changes: MeshChange[] = [];
  const fields = fieldChangesOf(resolveMesh(before), resolveMesh(after));
  if (fields.length > 0) changes.push(plain('changed', 'mesh', 'everyone', '', '', '', fields));
  changes.push(...diffDestinations(before, after), ...diffGateways(before, after), ...diffWorkloads(before, after));
  return changes;
}

function* diffDestinations(before: Model, after: Model): Generator<MeshChange> {
  const old = new Set(destinations(before));
  const next = new Set(destinations(after));
  const callers = ownViews(before, after);
  const views = new Map<string, readonly [Tables, Tables]>();
  const viewOf = (namespace: string): readonly [Tables, Tables] => {
    let view = views.get(namespace);
    if (view === undefined) {
      const caller = { namespace, gateway: '' };
      view = [tablesOf(before, caller), tablesOf(after, caller)];
      views.set(namespace, view);
    }
    return view;
  };
  for (const key of [...new Set([...old, ...next])].sort(byCodeUnit)) {
    if (!old.has(key)) yield plain('gained', 'destination', 'all callers', key, 'unknown host (404)', 'a service');
    else if (!next.has(key)) yield plain('lost', 'destination', 'all callers', key, 'a service', 'unknown host (404)');
    else {
      const namespace = key.slice(0, key.indexOf('/'));
      const common = diffFor(before, after, viewOf(namespace), key, namespace, 'all callers');
      yield* common;
      const said = common.map(textOf).join('\n');
      for (const caller of callers) {
        if (caller === namespace) continue;
        const own = diffFor(before, after, viewOf(caller), key, caller, `callers of ${caller}`);
        if (own.map(textOf).join('\n') !== said) yield* own;
      }
      yield* diffEndpoints(before, after, key);
    }
  }
}

function diffFor(
  before: Model,
  after: Model,
  [old, next]: readonly [Tables, Tables],
  key: DestinationKey,
  namespace: string,
  who: string,
): MeshChange[] {
  const changes: MeshChange[] = [];
  for (const change of diffRules(old.destination(key)?.routes, next.destination(key)?.routes)) {
    changes.push({ ...change, area: 'route', who, subject: key });
  }
  const fields = fieldChangesOf(resolveBackend(before, key, namespace), resolveBackend(after, key, namespace));
  if (fields.length > 0) changes.push(plain('changed', 'policy', who, key, '', '', fields));
  return changes;
}

/** Namespaces whose callers may have rules or policies of their own: those that have any. */
function ownViews(...models: readonly Model[]): string[] {
  const namespaces = new Set<string>();
  for (const model of models) {
    for (const { kind, metadata } of model.objects()) {
      if (kind.endsWith('Route') || kind === 'TrafficPolicy') namespaces.add(metadata.namespace);
    }
  }
  return [...namespaces].sort(byCodeUnit);
}

function* diffEndpoints(before: Model, after: Model, key: DestinationKey): Generator<MeshChange> {
  const [old, next] = [before, after].map(
    (model) => new Map((resolveEndpoints(model, key)?.endpoints ?? []).map((each) => [each.key, each])),
  );
  for (const name of [...new Set([...old!.keys(), ...next!.keys()])].sort(byCodeUnit)) {
    const [was, is] = [old!.get(name), next!.get(name)];
    if (was === undefined) yield plain('gained', 'endpoints', 'all callers', key, '', name);
    else if (is === undefined) yield plain('lost', 'endpoints', 'all callers', key, name, '');
    else {
      const fields = fieldChangesOf(was, is);
      if (fields.length > 0) yield plain('changed', 'endpoints', 'all callers', key, name, name, fields);
    }
  }
}

function* diffGateways(before: Model, after: Model): Generator<MeshChange> {
  const gateways = new Set<string>();
  for (const model of [before, after]) {
    for (const { kind, metadata } of model.objects()) {
      if (kind === 'Gateway') gateways.add(`${metadata.namespace}/${metadata.name}`);
    }
  }
  for (const gateway of [...gateways].sort(byCodeUnit)) {
    const who = `Gateway ${gateway}`;
    const caller = { namespace: gateway.slice(0, gateway.indexOf('/')), gateway };
    const [old, next] = [tablesOf(before, caller), tablesOf(after, caller)];
    const names = new Set([...old.listeners(), ...next.listeners()].map(({ name }) => name));
    for (const name of [...names].sort(byCodeUnit)) {
      const [was, is] = [old.listener(name), next.listener(name)];
      if (was === undefined) yield plain('gained', 'listener', who, name, '', `port ${is?.port}`);
      else if (is === undefined) yield plain('lost', 'listener', who, name, `port ${was.port}`, '');
      else {
        const { rules: _was, ...oldFields } = was.resource;
        const { rules: _is, ...nextFields } = is.resource;
        const fields = fieldChangesOf(oldFields, nextFields);
        if (fields.length > 0) yield plain('changed', 'listener', who, name, '', '', fields);
        for (const change of diffRules(was.routes, is.routes)) yield { ...change, area: 'route', who, subject: name };
      }
    }
  }
}

/** What workloads that are declared enforce on arrival. */
function* diffWorkloads(before: Model, after: Model): Generator<MeshChange> {
  const keys = new Set<string>();
  for (const model of [before, after]) {
    for (const { kind, metadata } of model.objects()) {
      if (kind === 'WorkloadEntry') keys.add(`${metadata.namespace}/${metadata.name}`);
    }
  }
  for (const key of [...keys].sort(byCodeUnit)) {
    const [was, is] = [resolveInbound(before, key), resolveInbound(after, key)];
    // Of a workload that comes or goes the endpoints tell.
    if (was === undefined || is === undefined) continue;
    const byPort = (ports: typeof was.ports): object => Object.fromEntries(ports.map((port) => [port.port, port]));
    const fields = [
      ...fieldChangesOf({ identity: was.identity }, { identity: is.identity }),
      ...fieldChangesOf(byPort(was.ports), byPort(is.ports)),
    ];
    if (fields.length > 0) yield plain('changed', 'inbound', `workload ${key}`, key, '', '', fields);
  }
}

function tablesOf(model: Model, caller: { readonly namespace: string; readonly gateway: string }): Tables {
  return compileView(callerResources(model, caller), caller).tables;
}

function plain(
  kind: MeshChange['kind'],
  area: MeshChange['area'],
  who: string,
  subject: string,
  before: string,
  after: string,
  fields: readonly FieldChange[] = [],
): MeshChange {
  return { kind, area, who, subject, match: '', before, after, fields };
}

function textOf({ kind, area, match, before, after, fields }: MeshChange): string {
  return JSON.stringify([kind, area, match, before, after, fields]);
}
