import { Graph, layout } from '@dagrejs/dagre';

export const NODE_WIDTH = 172;
export const NODE_HEIGHT = 52;

export interface LayoutRequest {
  readonly id: number;
  readonly nodes: readonly string[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}

export interface Layout {
  readonly id: number;
  readonly width: number;
  readonly height: number;
  /** Middles of nodes, in the order they were asked for. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Above so many nodes, ranks are found by a quicker way that makes longer edges. */
const MOST_TIGHT_NODES = 150;

/** Puts callers left of callees. The same graph gives the same picture. */
export function layOut({ id, nodes, edges }: LayoutRequest): Layout {
  const graph = new Graph();
  graph.setGraph({
    rankdir: 'LR',
    // The figures of two edges that leave one node stand in two lines each, halfway between: they need the room.
    nodesep: nodes.length > MOST_TIGHT_NODES ? 18 : 38,
    ranksep: nodes.length > MOST_TIGHT_NODES ? 120 : 132,
    marginx: 16,
    marginy: 16,
    ranker: nodes.length > MOST_TIGHT_NODES ? 'longest-path' : 'network-simplex',
  });
  graph.setDefaultEdgeLabel(() => ({}));
  // Names of strangers stay out of the library's own keys.
  const places = new Map(nodes.map((node, index) => [node, `n${index}`]));
  for (const place of places.values()) graph.setNode(place, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const { from, to } of edges) {
    const source = places.get(from);
    const target = places.get(to);
    if (source !== undefined && target !== undefined && source !== target) graph.setEdge(source, target);
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    id,
    width,
    height,
    points: nodes.map((node) => {
      const { x = 0, y = 0 } = graph.node(places.get(node)!);
      return { x, y };
    }),
  };
}
