import {
  type AskedRequest,
  type Caller,
  type Explanation,
  type HashedResource,
  type Sources,
  callerResources,
  compileHeld,
  compileView,
  explainAsked,
} from '@weft/analysis';
import { type Model, type ResourceKey, defaultNamespace, effectiveTraffic } from '@weft/model';
import { type ProxyStatus, decodeResource } from '@weft/wire';
import { answerOf, withControlPlane } from '../admin-connection.ts';
import type { ControlFlags } from '../control-place.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import { chooseProxy } from '../get/proxy-choice.ts';
import { replicaNote } from '../output/replica-note.ts';
import type { Terminal } from '../output/terminal.ts';
import { readModel } from './config-model.ts';

export interface ExplainPlace extends ControlFlags {
  readonly from: string;
  /** A running one; empty: any of `from`. */
  readonly proxy: string;
  readonly gateway: boolean;
  readonly namespace: string;
  readonly config: readonly string[];
}

export interface Explained {
  readonly explanation: Explanation;
  readonly sources: Sources;
}

/** By files, as the control plane would serve them. Throws a `CommandFault` for what cannot be read or found. */
export function explainByFiles(asked: AskedRequest, place: ExplainPlace, terminal: Terminal): Explained {
  const model = readModel(place.config, terminal);
  const caller = callerIn(model, place);
  const names = compileView(callerResources(model, caller, []), caller).tables;
  const first = explainAsked(names, caller, asked);
  // Only the destination that is asked for is compiled: a mesh may have thousands.
  const destination =
    first.way.kind === 'refused' && first.way.code === 'no-config' ? /^\S+/.exec(first.way.detail)?.[0] : '';
  if (destination === undefined || destination === '') return { explanation: first, sources: sourcesOf(model, first) };
  const { tables, errors } = compileView(callerResources(model, caller, [destination]), caller);
  if (errors.length > 0) throw new CommandFault(exitCodes.unwell, errors.map(({ message }) => message).join('; '));
  const explanation = explainAsked(tables, caller, asked);
  return { explanation, sources: sourcesOf(model, explanation) };
}

/** By what the proxy of the caller holds at this moment. */
export async function explainByProxy(asked: AskedRequest, place: ExplainPlace, terminal: Terminal): Promise<Explained> {
  return withControlPlane(place, async (admin) => {
    const { from, proxy } = place;
    const { proxies, replicas } = answerOf(await admin.listProxies());
    terminal.err(replicaNote(replicas));
    const chosen = chooseProxy(proxies, proxy === '' ? from : proxy);
    if (proxy !== '' && !isOf(chosen, from)) {
      throw new CommandFault(
        exitCodes.usage,
        `${chosen.name} is no proxy of ${from}; name one of it, or leave out --proxy`,
      );
    }
    terminal.err(`weft: by what ${chosen.name} holds\n`);
    const config = answerOf(await admin.getConfig({ proxy: chosen.name, keyPrefix: '' }));
    if (config.truncated) terminal.err('weft: there is more than one answer holds; rules may be missing here\n');
    const held: HashedResource[] = [];
    for (const { key, body, hash } of config.resources) {
      const read = decodeResource(key, body);
      if (read.ok) held.push({ key: key as ResourceKey, resource: read.value, hash });
      else terminal.err(`weft: ${key} is of a newer version of Weft and left out (${read.error.message})\n`);
    }
    const caller: Caller = { namespace: chosen.workload.namespace, gateway: chosen.gateway };
    const explanation = explainAsked(compileHeld(held, caller.namespace).tables, caller, asked);
    return { explanation, sources: {} };
  });
}

/** Whether a proxy is one of a workload, or of a Gateway, as a person names it. */
function isOf({ workload, gateway }: ProxyStatus, from: string): boolean {
  const names = [workload.name, workload.service, gateway.slice(gateway.indexOf('/') + 1)];
  return names.some((name) => name !== '' && (from === name || from === `${workload.namespace}/${name}`));
}

/** Who is meant by `--from`: the namespace is all that matters of a workload. */
function callerIn(model: Model, { from, gateway, namespace }: ExplainPlace): Caller {
  const [left = '', right] = from.split('/');
  const name = right ?? left;
  const kinds = gateway ? ['Gateway'] : ['Service', 'WorkloadEntry'];
  const found = new Set<string>();
  for (const object of model.objects()) {
    if (kinds.includes(object.kind) && object.metadata.name === name) found.add(object.metadata.namespace);
  }
  const wanted = right === undefined ? namespace : left;
  if (gateway) {
    const own = wanted === '' && found.size === 1 ? [...found][0]! : wanted === '' ? defaultNamespace : wanted;
    if (found.has(own)) return { namespace: own, gateway: `${own}/${name}` };
    const known = [...model.objects()].flatMap(({ kind, metadata }) =>
      kind === 'Gateway' ? [`${metadata.namespace}/${metadata.name}`] : [],
    );
    throw new CommandFault(exitCodes.unwell, `no Gateway ${from}; there are ${known.sort().join(', ') || 'none'}`);
  }
  if (wanted !== '') return { namespace: wanted, gateway: '' };
  if (found.size > 1) {
    const names = [...found].sort().map((each) => `${each}/${name}`);
    throw new CommandFault(exitCodes.usage, `${from} may be ${names.join(' or ')}: say which`);
  }
  // A caller that only calls needs no object of its own.
  return { namespace: [...found][0] ?? defaultNamespace, gateway: '' };
}

/** Which object said each value, for rules under a Service. */
function sourcesOf(model: Model, { way, record, caller }: Explanation): Sources {
  if (way.kind !== 'destination' || record?.winner === undefined) return {};
  const { route, rule } = record.winner;
  const [kind = '', name = ''] = route.split(' ');
  const [namespace = '', routeName = ''] = name.split('/');
  if (kind !== 'HTTPRoute' && kind !== 'GRPCRoute') {
    return effectiveTraffic(model, way.destination, caller.namespace)?.request.sources ?? {};
  }
  const rules = model.object(kind, namespace, routeName)?.spec.rules ?? [];
  const index = rules.findIndex((each, at) => (each.name ?? String(at)) === rule);
  // Of two routes of one name but different kinds the policies are told of the HTTPRoute alone.
  if (kind === 'GRPCRoute' && model.object('HTTPRoute', namespace, routeName) !== undefined) return {};
  return effectiveTraffic(model, way.destination, caller.namespace, name, index)?.request.sources ?? {};
}
