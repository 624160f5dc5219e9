/** What of the mesh is drawn: namespaces as one node each, one service with what is around it, or everything. */
import type { EdgeJson, TopologyJson } from '@weft/control';
import { bareName, namespaceOf } from '../format.ts';

export interface GraphNode {
  /** Of a namespace drawn as one, `namespace:NAME`. */
  readonly id: string;
  readonly label: string;
  readonly namespace: string;
  readonly kind: 'workload' | 'gateway' | 'plain' | 'unknown' | 'namespace';
  /** Services in it. */
  readonly services: number;
  readonly requestsPerS: number | null;
  readonly failureShare: number | null;
  readonly p99Ms: number | null;
  readonly bytesPerS: number | null;
}

export interface GraphEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** Edges drawn as this one. */
  readonly count: number;
  readonly protocol: 'http' | 'tcp' | 'mixed';
  readonly requestsPerS: number | null;
  readonly failureShare: number | null;
  /** Of several, the worst. */
  readonly p99Ms: number | null;
  readonly securedShare: number | null;
  /** Both ways. */
  readonly bytesPerS: number | null;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  /** Services that the graph stands for. */
  readonly services: number;
}

export interface GraphChoice {
  /** Namespaces drawn as their services; all others as one node each. Null: all. */
  readonly open: ReadonlySet<string> | null;
  /** A service: only what is within `hops` of it. Empty: none. */
  readonly focus: string;
  readonly hops: number;
}

/** Beyond so many services, namespaces are drawn as one node each at first. */
export const MOST_SERVICES_AT_ONCE = 60;

export function makeGraph(topology: TopologyJson, choice: GraphChoice): Graph {
  const near = choice.focus === '' ? null : neighbours(topology.edges, choice.focus, choice.hops);
  const services = topology.nodes.filter(({ id }) => near === null || near.has(id));
  const drawnAs = (id: string): string => {
    const namespace = namespaceOf(id);
    if (near !== null || choice.open === null || namespace === '' || choice.open.has(namespace)) return id;
    return `namespace:${namespace}`;
  };
  const groups = new Map<string, TopologyJson['nodes'][number][]>();
  for (const node of services) {
    const id = drawnAs(node.id);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [node]);
    else group.push(node);
  }
  const bundles = new Map<string, EdgeJson[]>();
  for (const edge of topology.edges) {
    if (near !== null && !(near.has(edge.source) && near.has(edge.destination))) continue;
    const from = drawnAs(edge.source);
    const to = drawnAs(edge.destination);
    // Traffic inside a namespace that is drawn as one is told by its node.
    if (from === to && from.startsWith('namespace:')) continue;
    const key = `${from} ${to}`;
    const bundle = bundles.get(key);
    if (bundle === undefined) bundles.set(key, [edge]);
    else bundle.push(edge);
  }
  return {
    nodes: Array.from(groups, ([id, group]) => nodeOf(id, group)),
    edges: Array.from(bundles, ([id, bundle]) =>
      edgeOf(id, drawnAs(bundle[0]!.source), drawnAs(bundle[0]!.destination), bundle),
    ),
    services: services.length,
  };
}

/** What a layout depends on; figures are not among it. */
export function shapeOf({ nodes, edges }: Graph): string {
  return `${nodes.map(({ id }) => id).join('\n')}\n\n${edges.map(({ id }) => id).join('\n')}`;
}

function nodeOf(id: string, group: readonly TopologyJson['nodes'][number][]): GraphNode {
  const first = group[0]!;
  const isNamespace = id.startsWith('namespace:');
  const namespace = namespaceOf(first.id);
  return {
    id,
    label: isNamespace ? namespace : bareName(first.id),
    namespace,
    kind: isNamespace ? 'namespace' : first.kind,
    services: group.length,
    requestsPerS: sum(group.map(({ requestsPerS }) => requestsPerS)),
    failureShare: weighted(group),
    p99Ms: worst(group.map(({ p99Ms }) => p99Ms)),
    bytesPerS: sum(group.map(({ bytesPerS }) => bytesPerS)),
  };
}

function edgeOf(id: string, from: string, to: string, bundle: readonly EdgeJson[]): GraphEdge {
  const protocols = new Set(bundle.map(({ protocol }) => protocol));
  return {
    id,
    from,
    to,
    count: bundle.length,
    protocol: protocols.size === 1 ? bundle[0]!.protocol : 'mixed',
    requestsPerS: sum(bundle.map(({ requestsPerS }) => requestsPerS)),
    failureShare: weighted(bundle),
    p99Ms: worst(bundle.map(({ p99Ms }) => p99Ms)),
    securedShare: weightedBy(bundle, ({ securedShare }) => securedShare),
    bytesPerS: sum(bundle.flatMap(({ requestBytesPerS, responseBytesPerS }) => [requestBytesPerS, responseBytesPerS])),
  };
}

/** Null when nothing of it is known. */
function sum(values: readonly (number | null)[]): number | null {
  return values.reduce((total, value) => (value === null ? total : (total ?? 0) + value), null);
}

function worst(values: readonly (number | null)[]): number | null {
  return values.reduce((most, value) => (value === null ? most : Math.max(most ?? value, value)), null);
}

interface Carrier {
  readonly requestsPerS: number | null;
  readonly failureShare: number | null;
}

function weighted(all: readonly Carrier[]): number | null {
  return weightedBy(all, ({ failureShare }) => failureShare);
}

/** A share over all requests of those of whom it is known; where no request came, as of what stays open, the least. */
function weightedBy<C extends { readonly requestsPerS: number | null }>(
  all: readonly C[],
  read: (one: C) => number | null,
): number | null {
  let requests = 0;
  let part = 0;
  let least: number | null = null;
  for (const one of all) {
    const share = read(one);
    if (share === null || one.requestsPerS === null) continue;
    requests += one.requestsPerS;
    least = Math.min(least ?? share, share);
    part += share * one.requestsPerS;
  }
  return requests === 0 ? least : part / requests;
}

function neighbours(edges: readonly EdgeJson[], focus: string, hops: number): ReadonlySet<string> {
  const near = new Set([focus]);
  let border = near;
  for (let hop = 0; hop < hops; hop += 1) {
    const next = new Set<string>();
    for (const { source, destination } of edges) {
      if (border.has(source) && !near.has(destination)) next.add(destination);
      if (border.has(destination) && !near.has(source)) next.add(source);
    }
    for (const id of next) near.add(id);
    border = next;
  }
  return near;
}
