import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Graph, GraphEdge, GraphNode } from './graph-model.ts';
import { edgeAt, edgeLines, makeScene, nearOf, nodeLines } from './graph-scene.ts';

const UNKNOWN = { requestsPerS: null, failureShare: null, p99Ms: null };

function node(id: string, figures: Partial<GraphNode> = {}): GraphNode {
  return { id, label: id, namespace: '', kind: 'workload', services: 1, bytesPerS: null, ...UNKNOWN, ...figures };
}

function edge(from: string, to: string, figures: Partial<GraphEdge> = {}): GraphEdge {
  return {
    id: `${from} ${to}`,
    from,
    to,
    count: 1,
    protocol: 'http',
    securedShare: null,
    bytesPerS: null,
    ...UNKNOWN,
    ...figures,
  };
}

const POINTS = new Map([
  ['a', { x: 100, y: 100 }],
  ['b', { x: 500, y: 100 }],
  ['c', { x: 500, y: 300 }],
]);

const GRAPH: Graph = {
  nodes: [node('a'), node('b', { requestsPerS: 9, failureShare: 0.2, p99Ms: 4 }), node('c'), node('placeless')],
  edges: [edge('a', 'b'), edge('a', 'c'), edge('b', 'a'), edge('c', 'c'), edge('a', 'placeless')],
  services: 4,
};

const LAYERS = { points: POINTS, cell: { width: 172, height: 52 }, blocks: [], isGrid: false, isDown: false };
const scene = makeScene(GRAPH, LAYERS, new Map());

test('what has no place yet is not drawn', () => {
  assert.deepEqual(
    scene.nodes.map(({ node: { id } }) => id),
    ['a', 'b', 'c'],
  );
  assert.equal(scene.edges.length, 4);
});

test('an edge goes from the right side of its caller to the left side of what it calls', () => {
  const { start, end } = scene.edges[0]!.way;
  assert.deepEqual(
    [start, end],
    [
      { x: 186, y: 100 },
      { x: 412, y: 100 },
    ],
  );
});

test('where there is little width an edge falls from its caller to what it calls', () => {
  const { edges } = makeScene(GRAPH, { ...LAYERS, isDown: true }, new Map());
  const { start, end } = edges[1]!.way;
  assert.deepEqual(
    [start, end],
    [
      { x: 100, y: 126 },
      { x: 500, y: 272 },
    ],
  );
});

test('connections that stay open are told by their bytes', () => {
  const open = edge('a', 'b', { requestsPerS: 0, bytesPerS: 1_000, securedShare: 1 });
  assert.deepEqual(edgeLines(open), ['a to b', '1.0 kB/s', '100% over mutual TLS']);
});

test('in a grid an edge goes from border to border, and there and back are two', () => {
  const { edges } = makeScene(GRAPH, { ...LAYERS, isGrid: true }, new Map());
  const [there, , back] = edges.map(({ way }) => way);
  assert.equal(Math.round(there!.start.x), 186);
  assert.equal(Math.round(there!.end.x), 414);
  assert.ok(there!.middle.y > 105 && back!.middle.y < 95);
  const down = edges[1]!.way;
  assert.ok(down.start.y <= 126 && down.end.y >= 274 && down.end.x >= 414 && down.end.x <= 586);
});

test('ways are kept for new figures of the same layout', () => {
  const ways = new Map();
  const first = makeScene(GRAPH, LAYERS, ways);
  const second = makeScene({ ...GRAPH, edges: [edge('a', 'b', { requestsPerS: 90, failureShare: 0 })] }, LAYERS, ways);
  assert.equal(second.edges[0]!.way, first.edges[0]!.way);
  assert.deepEqual([second.edges[0]!.tone, second.edges[0]!.width], ['fine', 3.5]);
});

test('the edge under a point is the nearest within reach', () => {
  const under = (x: number, y: number) => edgeAt(scene, { x, y }, 7)?.edge.id;
  // Of two that lie over each other, the one that was drawn last.
  assert.equal(under(300, 103), 'b a');
  assert.equal(under(299, 200), 'a c');
  assert.equal(under(300, 150), undefined);
  // The loop of c stands over it.
  assert.equal(under(500, 241), 'c c');
});

test('near a node are its edges and neighbours, near an edge its ends', () => {
  const ids = (key: string) => {
    const near = nearOf(scene, key);
    return [near.edges.map(({ edge: { id } }) => id), near.nodes.map(({ node: { id } }) => id)];
  };
  assert.deepEqual(ids('b'), [
    ['a b', 'b a'],
    ['a', 'b'],
  ]);
  assert.deepEqual(ids('a c'), [['a c'], ['a', 'c']]);
});

test('unknown is said, never zero', () => {
  assert.deepEqual(edgeLines(edge('a', 'namespace:b', { count: 3 })), [
    'a to b (3 connections)',
    'nothing known yet',
    'whether over mutual TLS: unknown',
  ]);
  assert.deepEqual(nodeLines(node('shop/web')), ['shop/web', 'nothing known yet']);
  assert.deepEqual(nodeLines(GRAPH.nodes[1]!), ['b', '9.0/s, 20% failed, p99 4.0 ms']);
});
