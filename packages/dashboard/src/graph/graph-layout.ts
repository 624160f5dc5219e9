import { Graph, layout } from '@dagrejs/dagre';
import { namespaceOf } from '../format.ts';
import { type Block, type Cell, layOutBlocks, layOutGrid } from './graph-grid.ts';
import type { Point, Size } from './graph-camera.ts';

export interface LayoutRequest {
  readonly id: number;
  readonly nodes: readonly string[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  /** Width by height of the room it is for. */
  readonly aspect: number;
}

export interface Layout extends Size {
  readonly id: number;
  /** Middles of nodes, in the order they were asked for. */
  readonly points: readonly Point[];
  /** Of each node. */
  readonly cell: Size;
  /** Namespaces, where nodes stand together by them. */
  readonly blocks: readonly Block[];
  /** Edges go from anywhere to anywhere, not from left to right. */
  readonly isGrid: boolean;
  /** Callers stand over callees, where there is little width. */
  readonly isDown: boolean;
}

export const CARD: Size = { width: 172, height: 52 };
/** Of more nodes, one reads names only. */
const CHIP: Cell = { width: 124, height: 26, gapX: 10, gapY: 8 };
const CARD_CELL: Cell = { ...CARD, gapX: 64, gapY: 44 };
/** So many nodes, and so many edges at each, are followed by the eye when callers stand left of callees. */
const MOST_LAYERED_NODES = 150;
const MOST_LAYERED_EDGES = 4;
/** Fewer edges are no thicket, whatever they lie between. */
const FEW_EDGES = 40;
const MOST_CARDS = 60;

/**
 * Puts callers left of callees, or over them in a narrow room; where there is more than an eye can follow, nodes in rows by name, so that a node is found where
 * it was, whatever new connections come. The same graph gives the same picture.
 */
export function layOut({ id, nodes, edges, aspect }: LayoutRequest): Layout {
  const isThicket = edges.length > FEW_EDGES && edges.length > nodes.length * MOST_LAYERED_EDGES;
  if (nodes.length <= MOST_LAYERED_NODES && !isThicket) return { id, ...layOutLayers(nodes, edges, aspect < 1) };
  if (nodes.length <= MOST_CARDS) {
    return { id, ...layOutGrid(nodes, CARD_CELL, aspect), cell: CARD, blocks: [], isGrid: true, isDown: false };
  }
  return { id, ...layOutBlocks(nodes, namespaceOf, CHIP, aspect), cell: CHIP, isGrid: true, isDown: false };
}

function layOutLayers(
  nodes: LayoutRequest['nodes'],
  edges: LayoutRequest['edges'],
  isDown: boolean,
): Omit<Layout, 'id'> {
  const graph = new Graph();
  // The figures of two edges that leave one node stand in two lines each, halfway between: they need the room.
  graph.setGraph({
    ...(isDown ? { rankdir: 'TB', nodesep: 24, ranksep: 70 } : { rankdir: 'LR', nodesep: 38, ranksep: 132 }),
    marginx: 16,
    marginy: 16,
    ranker: 'network-simplex',
  });
  graph.setDefaultEdgeLabel(() => ({}));
  // Names of strangers stay out of the library's own keys.
  const places = new Map(nodes.map((node, index) => [node, `n${index}`]));
  for (const place of places.values()) graph.setNode(place, { ...CARD });
  for (const { from, to } of edges) {
    const source = places.get(from);
    const target = places.get(to);
    if (source !== undefined && target !== undefined && source !== target) graph.setEdge(source, target);
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  const points = nodes.map((node) => {
    const { x = 0, y = 0 } = graph.node(places.get(node)!);
    return { x, y };
  });
  return { width, height, points, cell: CARD, blocks: [], isGrid: false, isDown };
}
