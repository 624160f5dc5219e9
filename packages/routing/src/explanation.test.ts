import assert from 'node:assert/strict';
import test from 'node:test';
import type { RouteRule } from '@weft/model';
import { explain } from './explanation.ts';
import { compileMatchTable } from './match-table.ts';

type Match = RouteRule['matches'][number];

const any: Match = { path: { type: 'PathPrefix', value: '/' }, method: '', headers: [], queries: [], grpc: null };

function rule(match: Partial<Match>, hostnames: string[] = []): RouteRule {
  const matches = [{ ...any, ...match }];
  return {
    route: 'HTTPRoute shop/orders',
    rule: '',
    hostnames,
    matches,
    filters: [],
    backends: [],
  } as unknown as RouteRule;
}

test('every match passed over says which field did not fit, or what stood above it', () => {
  const compiled = compileMatchTable([
    rule({ path: { type: 'PathPrefix', value: '/orders' }, method: 'GET' }),
    rule({}, ['other.example']),
    rule({ path: { type: 'Exact', value: '/order' } }),
    rule({ method: 'POST' }),
    rule({ headers: [{ type: 'Exact', name: 'x-test', value: '1' }] }),
    rule({ queries: [{ type: 'RegularExpression', name: 'q', value: '[0-9]+' }] }),
    rule({}),
    rule({ path: { type: 'PathPrefix', value: '/orders' } }),
    rule({ path: { type: 'PathPrefix', value: '/orders' }, method: 'GET' }),
  ]);
  assert.ok(compiled.ok);
  const { winner, passedOver } = explain(compiled.value, {
    method: 'GET',
    authority: 'shop.example',
    path: '/orders/7',
    query: 'q=x',
    valueOf: () => undefined,
  });
  assert.equal(winner?.rule, 0);
  assert.deepEqual(
    passedOver.map(({ entry, field, name, expected, actual }) => [entry.rule, field, name, expected, actual]),
    [
      [1, 'hostname', '', 'other.example', 'shop.example'],
      [2, 'path', '', '/order', '/orders/7'],
      [3, 'method', '', 'POST', 'GET'],
      [4, 'header', 'x-test', '1', undefined],
      [5, 'query', 'q', '[0-9]+', 'x'],
      [6, 'precedence', 'path length', '', undefined],
      [7, 'precedence', 'method', '', undefined],
      [8, 'precedence', 'order', '', undefined],
    ],
  );
});

test('of gRPC matches service and method decide, and say so', () => {
  const grpc = (service: string, method = ''): Partial<Match> => ({ grpc: { type: 'Exact', service, method } });
  const compiled = compileMatchTable([rule(grpc('', 'Get')), rule(grpc('a.B')), rule(grpc('a.B', 'Get')), rule({})]);
  assert.ok(compiled.ok);
  const seen = (path: string): unknown[] => {
    const view = { method: 'POST', authority: 'h', path, query: '', valueOf: () => undefined };
    const { winner, passedOver } = explain(compiled.value, view);
    return [winner?.rule, ...passedOver.map(({ entry, field, name, expected }) => [entry.rule, field, name, expected])];
  };
  assert.deepEqual(seen('/a.B/Get'), [
    2,
    [0, 'precedence', 'service and method', ''],
    [1, 'precedence', 'service and method', ''],
    [3, 'precedence', 'path type', ''],
  ]);
  assert.deepEqual(seen('/a.B/Put').slice(0, 2), [1, [0, 'path', '', '/*/Get']]);
});

test('when nothing matches there is no winner, and every match has a reason of its own', () => {
  const compiled = compileMatchTable([rule({ method: 'POST' }), rule({ path: { type: 'Exact', value: '/a' } })]);
  assert.ok(compiled.ok);
  const view = { method: 'GET', authority: 'h', path: '/', query: '', valueOf: () => undefined };
  const { winner, passedOver } = explain(compiled.value, view);
  assert.equal(winner, undefined);
  assert.deepEqual(
    passedOver.map(({ field }) => field),
    ['method', 'path'],
  );
});
