import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EdgeJson, NodeJson, TopologyJson } from '@weft/control';
import { layOut } from './graph-layout.ts';
import { makeGraph, shapeOf } from './graph-model.ts';

const NONE = { requestsPerS: null, failureShare: null, retriesPerS: null, p50Ms: null, p90Ms: null, p99Ms: null };

function node(id: string, figures: Partial<NodeJson> = {}): NodeJson {
  return { id, kind: 'workload', proxies: 1, bytesPerS: null, ...NONE, ...figures };
}

function edge(source: string, destination: string, figures: Partial<EdgeJson> = {}): EdgeJson {
  return {
    source,
    destination,
    protocol: 'http',
    countedBy: 'Outbound',
    ...NONE,
    securedShare: null,
    requestBytesPerS: null,
    responseBytesPerS: null,
    ...figures,
  };
}

const TOPOLOGY: TopologyJson = {
  atMs: 0,
  windowMs: 60_000,
  coveredMs: 60_000,
  replicas: [],
  nodes: [
    node('a/one', { requestsPerS: 10, failureShare: 0 }),
    node('a/two', { requestsPerS: 30, failureShare: 0.2 }),
    node('b/three'),
    node('unknown', { kind: 'unknown' }),
  ],
  edges: [
    edge('unknown', 'a/one', { requestsPerS: 10, failureShare: 0, securedShare: 0, p99Ms: 5 }),
    edge('a/one', 'a/two'),
    edge('a/one', 'b/three', { requestsPerS: 30, failureShare: 0.1, securedShare: 1, p99Ms: 9 }),
    edge('a/two', 'b/three', { requestsPerS: 10, failureShare: 0.5, securedShare: 0, p99Ms: 90 }),
  ],
};

test('everything open is drawn as it is', () => {
  const graph = makeGraph(TOPOLOGY, { open: null, focus: '', hops: 1 });
  assert.deepEqual([graph.nodes.length, graph.edges.length, graph.services], [4, 4, 4]);
});

test('a closed namespace is one node, whose edges weigh shares by rate and take the worst p99', () => {
  const { nodes, edges } = makeGraph(TOPOLOGY, { open: new Set(), focus: '', hops: 1 });
  assert.deepEqual(
    nodes.map(({ id, services }) => [id, services]),
    [
      ['namespace:a', 2],
      ['namespace:b', 1],
      ['unknown', 1],
    ],
  );
  const [, out] = edges;
  assert.equal(edges.length, 2);
  assert.deepEqual([out!.count, out!.requestsPerS, out!.p99Ms], [2, 40, 90]);
  assert.ok(Math.abs(out!.failureShare! - 0.2) < 1e-9);
  assert.equal(out!.securedShare, 0.75);
  assert.ok(Math.abs(nodes[0]!.failureShare! - 0.15) < 1e-9);
});

test('what nobody knows stays unknown in sums', () => {
  const { nodes } = makeGraph(TOPOLOGY, { open: new Set(), focus: '', hops: 1 });
  assert.deepEqual([nodes[1]!.requestsPerS, nodes[1]!.failureShare, nodes[1]!.p99Ms], [null, null, null]);
});

test('a connection that stays open is as secured as it began, though no request came', () => {
  const open = edge('a/one', 'b/three', { protocol: 'tcp', requestsPerS: 0, securedShare: 1, requestBytesPerS: 5 });
  const { edges } = makeGraph({ ...TOPOLOGY, edges: [open] }, { open: null, focus: '', hops: 1 });
  assert.deepEqual([edges[0]!.securedShare, edges[0]!.bytesPerS, edges[0]!.failureShare], [1, 5, null]);
});

test('a focus shows what is within its hops', () => {
  const near = (hops: number) => makeGraph(TOPOLOGY, { open: null, focus: 'b/three', hops }).nodes.map(({ id }) => id);
  assert.deepEqual(near(1), ['a/one', 'a/two', 'b/three']);
  assert.deepEqual(near(2), ['a/one', 'a/two', 'b/three', 'unknown']);
});

test('new figures do not change the shape; a new connection does', () => {
  const choice = { open: null, focus: '', hops: 1 };
  const louder = { ...TOPOLOGY, edges: TOPOLOGY.edges.map((each) => ({ ...each, requestsPerS: 99 })) };
  assert.equal(shapeOf(makeGraph(louder, choice)), shapeOf(makeGraph(TOPOLOGY, choice)));
  const more = { ...TOPOLOGY, edges: [...TOPOLOGY.edges, edge('b/three', 'a/one')] };
  assert.notEqual(shapeOf(makeGraph(more, choice)), shapeOf(makeGraph(TOPOLOGY, choice)));
});

test('the layout puts callers left of callees, the same each time, and names of the prototype are names', () => {
  const request = {
    id: 1,
    aspect: 2,
    nodes: ['__proto__', 'constructor', 'c'],
    edges: [
      { from: '__proto__', to: 'constructor' },
      { from: 'constructor', to: 'c' },
      { from: 'c', to: 'c' },
    ],
  };
  const { points } = layOut(request);
  assert.ok(points[0]!.x < points[1]!.x && points[1]!.x < points[2]!.x);
  assert.deepEqual(layOut(request).points, points);
});

test('what no eye can follow stands in rows: by namespace when it is many, as cards when it is dense', () => {
  const many = Array.from({ length: 200 }, (_, index) => `team-${index % 3}/s-${index}`);
  const blocks = layOut({ id: 1, nodes: many, edges: [], aspect: 2 });
  assert.deepEqual([blocks.isGrid, blocks.blocks.map(({ name }) => name)], [true, ['team-0', 'team-1', 'team-2']]);
  const few = many.slice(0, 12);
  const edges = few.flatMap((from) => few.map((to) => ({ from, to })));
  const dense = layOut({ id: 1, nodes: few, edges, aspect: 2 });
  assert.deepEqual([dense.isGrid, dense.blocks.length], [true, 0]);
  assert.equal(layOut({ id: 1, nodes: few, edges: edges.slice(0, 30), aspect: 2 }).isGrid, false);
});
