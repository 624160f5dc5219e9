import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PathKind, type RouteEntry } from './route-entry.ts';
import { compilePattern } from './linear-pattern.ts';
import { PatternIndex } from './pattern-index.ts';
import type { RequestView } from './request-view.ts';

function patternEntry(source: string, order: number, method = ''): RouteEntry {
  const compiled = compilePattern(source);
  assert.ok(compiled.ok);
  return {
    rule: order,
    match: 0,
    order,
    host: '',
    hostRank: 0,
    pathKind: PathKind.Pattern,
    path: source,
    pathPattern: compiled.value,
    pathRank: source.length,
    grpc: false,
    method,
    conditions: [],
    conditionRank: method === '' ? 0 : 1,
  };
}

function request(path: string, method = 'GET'): RequestView {
  return { method, path, query: '', authority: '', valueOf: () => undefined };
}

function sealed(entries: readonly RouteEntry[]): PatternIndex {
  const index = new PatternIndex();
  for (const entry of entries) index.add(entry);
  for (const _ of index.seal());
  return index;
}

test('the longer source wins, whatever literal text it begins with', () => {
  const index = sealed([
    patternEntry('/shop/.*', 0),
    patternEntry('/s.*/orders/[0-9]+', 1),
    patternEntry('.*', 2),
    patternEntry('/shop/[a-z]*', 3),
  ]);
  const winner = (path: string): number | undefined => index.find(request(path), { count: 0 })?.order;
  assert.deepEqual(['/shop/orders/7', '/shop/carts', '/shop/7', '/', 'x'].map(winner), [1, 3, 0, 2, 2]);
});

test('one pattern with two methods is tried once, and a shorter one decides where neither holds', () => {
  const index = sealed([patternEntry('/a/.+', 0, 'GET'), patternEntry('/a/.+', 1, 'PUT'), patternEntry('/.+', 2)]);
  const winner = (method: string): number | undefined => index.find(request('/a/b', method), { count: 0 })?.order;
  assert.deepEqual(['GET', 'PUT', 'POST'].map(winner), [0, 1, 2]);
});

test('a thousand patterns that begin differently cost no more than two', () => {
  const few = sealed([patternEntry('/a/.+', 0), patternEntry('/b1/.+', 1)]);
  const many = sealed(Array.from({ length: 1_000 }, (_, order) => patternEntry(`/x${1_000 + order}/.+`, order)));
  const steps = (index: PatternIndex, path: string): number => {
    const counted = { count: 0 };
    assert.ok(index.find(request(path), counted) !== undefined);
    return counted.count;
  };
  assert.ok(steps(many, '/x1500/y') <= steps(few, '/b1/y'));
});
