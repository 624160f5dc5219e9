/** A graph with its places: what is drawn where, in units of the layout, and what is under a point. */
import { bytes, milliseconds, rate, share } from '../format.ts';
import type { Box, Point, Size } from './graph-camera.ts';
import type { Block } from './graph-grid.ts';
import type { Graph, GraphEdge, GraphNode } from './graph-model.ts';

/** How much of what went there failed; in the order in which they are drawn over each other. */
export const TONES = ['quiet', 'fine', 'warn', 'bad'] as const;
export type SceneTone = (typeof TONES)[number];

/** A curve from side to side, with the points it bends to. */
export interface Way {
  readonly start: Point;
  readonly bendOut: Point;
  readonly bendIn: Point;
  readonly end: Point;
  /** Of a curve with one bend, where it bends to: it is drawn in less time. */
  readonly bent: Point | null;
  /** Where figures are written. */
  readonly middle: Point;
  readonly box: Box;
}

export interface SceneEdge {
  readonly edge: GraphEdge;
  readonly way: Way;
  readonly tone: SceneTone;
  /** Some of it is not secured. */
  readonly isOpen: boolean;
  /** Of the line, 1 to 5, in steps of a half. */
  readonly width: number;
}

export interface SceneNode {
  readonly node: GraphNode;
  readonly box: Box;
  readonly tone: SceneTone;
  readonly figures: string;
}

export interface Scene {
  readonly nodes: readonly SceneNode[];
  readonly edges: readonly SceneEdge[];
  readonly blocks: readonly Block[];
  /** So many edges that only those that fail stand out. */
  readonly isThicket: boolean;
}

/** Ways of edges by their ids, kept as long as the layout. */
export type Ways = Map<string, Way>;

/** How far a way over a grid bends from the straight, so that there and back are two. */
const BEND = 0.1;
/** Points of a curve that are looked at when something is searched near it. */
const STEPS = 24;

/** Where nodes are. */
export interface Places {
  readonly points: ReadonlyMap<string, Point>;
  readonly cell: Size;
  readonly blocks: readonly Block[];
  readonly isGrid: boolean;
  /** Callers stand over callees, not left of them. */
  readonly isDown: boolean;
}

/** Leaves out what has no place yet. */
export function makeScene(graph: Graph, { points, cell, blocks, isGrid, isDown }: Places, ways: Ways): Scene {
  const edges: SceneEdge[] = [];
  for (const edge of graph.edges) {
    let way = ways.get(edge.id);
    if (way === undefined) {
      const from = points.get(edge.from);
      const to = points.get(edge.to);
      if (from === undefined || to === undefined) continue;
      if (edge.from === edge.to) way = loopOf(from, cell);
      else if (isGrid) way = directWay(from, to, cell);
      else way = isDown ? fallingWay(from, to, cell) : layeredWay(from, to, cell);
      ways.set(edge.id, way);
    }
    const { failureShare, securedShare } = edge;
    edges.push({
      edge,
      way,
      tone: toneOf(failureShare),
      isOpen: securedShare !== null && securedShare < 1,
      width: widthOf(edge),
    });
  }
  const nodes: SceneNode[] = [];
  for (const node of graph.nodes) {
    const at = points.get(node.id);
    if (at === undefined) continue;
    nodes.push({ node, box: boxAround(at, cell), tone: toneOf(node.failureShare), figures: nodeFigures(node) });
  }
  return { nodes, edges, blocks, isThicket: isGrid };
}

/** What `key` has to do with: a node with its edges and neighbours, or an edge with its ends. */
export function nearOf(scene: Scene, key: string): Scene {
  const edges = scene.edges.filter(({ edge }) => edge.id === key || edge.from === key || edge.to === key);
  const ids = new Set([key, ...edges.flatMap(({ edge }) => [edge.from, edge.to])]);
  return { edges, nodes: scene.nodes.filter(({ node }) => ids.has(node.id)), blocks: [], isThicket: scene.isThicket };
}

/** The edge that is nearest to a point of the world, when it is within `reach`; of equally near ones that drawn last. */
export function edgeAt(scene: Scene, at: Point, reach: number): SceneEdge | undefined {
  let found: SceneEdge | undefined;
  let nearest = reach;
  for (const each of scene.edges) {
    const { left, top, right, bottom } = each.way.box;
    if (at.x < left - reach || at.x > right + reach || at.y < top - reach || at.y > bottom + reach) continue;
    const distance = distanceTo(each.way, at);
    if (distance <= nearest) {
      nearest = distance;
      found = each;
    }
  }
  return found;
}

export function overlaps(left: Box, right: Box): boolean {
  return left.left <= right.right && left.right >= right.left && left.top <= right.bottom && left.bottom >= right.top;
}

/** How much an edge carries: requests, or bytes of connections that stay open. */
export function carried({ requestsPerS, bytesPerS }: GraphEdge): string {
  return requestsPerS === 0 && (bytesPerS ?? 0) > 0 ? `${bytes(bytesPerS)}/s` : rate(requestsPerS);
}

/** What is said of an edge that is pointed at. */
export function edgeLines(edge: GraphEdge): readonly string[] {
  const several = edge.count > 1 ? ` (${edge.count} connections)` : '';
  return [
    `${edge.from.replace('namespace:', '')} to ${edge.to.replace('namespace:', '')}${several}`,
    edge.requestsPerS === null
      ? 'nothing known yet'
      : [
          carried(edge),
          edge.failureShare === null ? '' : `${share(edge.failureShare)} failed`,
          edge.p99Ms === null ? '' : `p99 ${milliseconds(edge.p99Ms)}`,
        ]
          .filter((part) => part !== '')
          .join(', '),
    edge.securedShare === null ? 'whether over mutual TLS: unknown' : `${share(edge.securedShare)} over mutual TLS`,
  ];
}

/** What is said of a node that is pointed at. */
export function nodeLines(node: GraphNode): readonly string[] {
  const name = node.kind === 'namespace' ? `${node.label}: ${node.services} services` : node.id;
  const known = node.requestsPerS !== null && node.requestsPerS > 0 && node.kind !== 'unknown';
  return [
    name,
    known
      ? `${rate(node.requestsPerS)}, ${share(node.failureShare)} failed, p99 ${milliseconds(node.p99Ms)}`
      : nodeFigures(node),
  ];
}

function boxAround({ x, y }: Point, { width, height }: Size): Box {
  return { left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 };
}

/** Over what calls itself. */
function loopOf({ x, y }: Point, { height }: Size): Way {
  const top = y - height / 2;
  const rise = Math.min(44, height);
  return curve(
    { x: x + 20, y: top },
    { x: x + 40, y: top - rise },
    { x: x - 40, y: top - rise },
    { x: x - 20, y: top },
    { x, y: top - rise * 0.77 },
  );
}

/** From side to side, callers left of callees. */
function layeredWay(from: Point, to: Point, { width }: Size): Way {
  const start = { x: from.x + width / 2, y: from.y };
  const end = { x: to.x - width / 2 - 2, y: to.y };
  const bend = to.x <= from.x ? 90 : Math.max(30, (end.x - start.x) / 2);
  return curve(start, { x: start.x + bend, y: start.y }, { x: end.x - bend, y: end.y }, end, {
    x: (start.x + end.x) / 2,
    y: (start.y + end.y) / 2,
  });
}

/** From the lower side to the upper side, callers over callees. */
function fallingWay(from: Point, to: Point, { height }: Size): Way {
  const start = { x: from.x, y: from.y + height / 2 };
  const end = { x: to.x, y: to.y - height / 2 - 2 };
  const bend = to.y <= from.y ? 60 : Math.max(20, (end.y - start.y) / 2);
  return curve(start, { x: start.x, y: start.y + bend }, { x: end.x, y: end.y - bend }, end, {
    x: (start.x + end.x) / 2,
    y: (start.y + end.y) / 2,
  });
}

/** From border to border, by the shortest way, a little bent. */
function directWay(from: Point, to: Point, cell: Size): Way {
  const bent = {
    x: (from.x + to.x) / 2 - (to.y - from.y) * BEND,
    y: (from.y + to.y) / 2 + (to.x - from.x) * BEND,
  };
  const start = borderTowards(from, bent, cell);
  const end = borderTowards(to, bent, cell);
  // A curve with one bend, as one with two.
  const towards = (at: Point): Point => ({ x: at.x + ((bent.x - at.x) * 2) / 3, y: at.y + ((bent.y - at.y) * 2) / 3 });
  const middle = { x: (start.x + 2 * bent.x + end.x) / 4, y: (start.y + 2 * bent.y + end.y) / 4 };
  return { ...curve(start, towards(start), towards(end), end, middle), bent };
}

function borderTowards(middle: Point, target: Point, { width, height }: Size): Point {
  const alongX = target.x - middle.x;
  const alongY = target.y - middle.y;
  const part = Math.min(width / 2 / Math.max(1e-9, Math.abs(alongX)), height / 2 / Math.max(1e-9, Math.abs(alongY)), 1);
  return { x: middle.x + alongX * part, y: middle.y + alongY * part };
}

function curve(start: Point, bendOut: Point, bendIn: Point, end: Point, middle: Point): Way {
  const xs = [start.x, bendOut.x, bendIn.x, end.x];
  const ys = [start.y, bendOut.y, bendIn.y, end.y];
  // A curve lies within the points it bends to.
  const box = { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
  return { start, bendOut, bendIn, end, bent: null, middle, box };
}

function distanceTo({ start, bendOut, bendIn, end }: Way, at: Point): number {
  let nearest = Infinity;
  let lastX = start.x;
  let lastY = start.y;
  for (let step = 1; step <= STEPS; step += 1) {
    const part = step / STEPS;
    const rest = 1 - part;
    const a = rest * rest * rest;
    const b = 3 * rest * rest * part;
    const c = 3 * rest * part * part;
    const d = part * part * part;
    const x = a * start.x + b * bendOut.x + c * bendIn.x + d * end.x;
    const y = a * start.y + b * bendOut.y + c * bendIn.y + d * end.y;
    nearest = Math.min(nearest, distanceToLine(at, lastX, lastY, x, y));
    lastX = x;
    lastY = y;
  }
  return nearest;
}

function distanceToLine(at: Point, fromX: number, fromY: number, toX: number, toY: number): number {
  const alongX = toX - fromX;
  const alongY = toY - fromY;
  const square = alongX * alongX + alongY * alongY;
  const part = square === 0 ? 0 : ((at.x - fromX) * alongX + (at.y - fromY) * alongY) / square;
  const held = Math.min(1, Math.max(0, part));
  return Math.hypot(at.x - fromX - held * alongX, at.y - fromY - held * alongY);
}

function toneOf(failureShare: number | null): SceneTone {
  if (failureShare === null) return 'quiet';
  if (failureShare >= 0.05) return 'bad';
  return failureShare >= 0.01 ? 'warn' : 'fine';
}

function nodeFigures({ requestsPerS, failureShare, p99Ms, bytesPerS, kind }: GraphNode): string {
  if (kind === 'unknown') return 'callers without a sidecar';
  if (requestsPerS === null) return 'nothing known yet';
  if (requestsPerS === 0 && (bytesPerS ?? 0) > 0) return `open connections, ${bytes(bytesPerS)}/s`;
  if (requestsPerS === 0) return kind === 'gateway' ? 'edge of the mesh' : 'nothing arrives';
  return [rate(requestsPerS), share(failureShare), milliseconds(p99Ms)].join(' · ');
}

/** As wide as its rate says, on a scale of tens. */
function widthOf({ requestsPerS }: GraphEdge): number {
  return Math.round((1 + Math.min(4, Math.log10(1 + (requestsPerS ?? 0)) * 1.2)) * 2) / 2;
}
