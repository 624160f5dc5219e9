import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { terminationIndex } from '@weft/outcome';
import { writeMetrics } from './metrics-text.ts';
import type { RequestScopeLabels } from './request-labels.ts';
import { RequestMetrics } from './request-metrics.ts';
import { SeriesTable } from './series-table.ts';

const labels: RequestScopeLabels = {
  direction: 'outbound',
  source: 'shop/cart',
  destination: 'shop/orders',
  route: 'shop/orders',
  rule: '0',
  port: '80',
};
const completed = terminationIndex('completed');

function lines(table: SeriesTable, prefix: string): string[] {
  const text = [...writeMetrics(table.snapshot(), 'prometheus')].join('');
  return text.split('\n').filter((line) => line.startsWith(prefix));
}

describe('RequestMetrics', () => {
  test('counts a request once under all of its labels, and its time by result', () => {
    const table = new SeriesTable();
    const scope = new RequestMetrics(table).scope(labels);
    for (let round = 0; round < 3; round += 1) {
      scope.start();
      scope.finish('GET', 200, completed, false, 2, 10, 100);
    }
    scope.start();
    scope.finish('GET', 503, terminationIndex('connect-refused'), true, 1, 0, 0);
    scope.start();
    const common = 'direction="outbound",source="shop/cart",destination="shop/orders",route="shop/orders"';
    deepEqual(lines(table, 'weft_requests_total'), [
      `weft_requests_total{${common},rule="0",method="GET",code="200",termination="completed",grpc_status=""} 3`,
      `weft_requests_total{${common},rule="0",method="GET",code="503",termination="connect-refused",grpc_status=""} 1`,
    ]);
    deepEqual(lines(table, 'weft_request_duration_seconds_count'), [
      `weft_request_duration_seconds_count{${common},result="error"} 1`,
      `weft_request_duration_seconds_count{${common},result="ok"} 3`,
    ]);
    deepEqual(lines(table, 'weft_requests_active'), [
      'weft_requests_active{direction="outbound",destination="shop/orders"} 1',
    ]);
    ok(lines(table, 'weft_request_body_bytes_total')[0]!.endsWith(' 30'));
    ok(lines(table, 'weft_response_body_bytes_total')[0]!.endsWith(' 300'));
  });

  test('alternating endings, methods and codes never share a series by mistake', () => {
    const table = new SeriesTable();
    const scope = new RequestMetrics(table).scope(labels);
    for (let round = 0; round < 5; round += 1) {
      for (const method of ['GET', 'POST']) {
        for (const code of [200, 404, 0]) {
          for (const ending of ['completed', 'upstream-cut'] as const) {
            scope.start();
            scope.finish(method, code, terminationIndex(ending), false, 1, 0, 0);
          }
        }
      }
    }
    const found = lines(table, 'weft_requests_total');
    equal(found.length, 12);
    ok(found.every((line) => line.endsWith(' 5')));
  });

  test('methods and codes that strangers invent make no series of their own', () => {
    const table = new SeriesTable();
    const scope = new RequestMetrics(table).scope(labels);
    for (let index = 0; index < 1_000; index += 1) {
      scope.start();
      scope.finish(`M${index}`, 400 + (index % 500), completed, false, 1, 0, 0);
    }
    const found = lines(table, 'weft_requests_total');
    ok(found.every((line) => line.includes('method="other"')));
    ok(found.some((line) => line.includes('code="7xx"')) && !found.some((line) => line.includes('code="499"')));
    ok(found.length < 50, `${found.length} series`);
  });

  test('scopes are one object for equal labels and share one beyond their limit', () => {
    const table = new SeriesTable();
    const metrics = new RequestMetrics(table);
    equal(metrics.scope(labels), metrics.scope({ ...labels }));
    for (let index = 0; index < 10_000; index += 1) metrics.scope({ ...labels, source: `x/${index}` });
    const beyond = metrics.scope({ ...labels, source: 'y' });
    equal(beyond, metrics.scope({ ...labels, source: 'z' }));
    equal(beyond.labels.source, 'other');
    equal(beyond.labels.direction, 'outbound');
    ok(table.series <= table.maxSeries);
  });

  test("durations have OpenTelemetry's names on request: server and client, HTTP and gRPC, with the type of an error", () => {
    const table = new SeriesTable();
    const metrics = new RequestMetrics(table);
    metrics.setNames('OpenTelemetry');
    const client = metrics.scope(labels);
    const server = metrics.scope({ ...labels, direction: 'inbound' });
    const finish = (method: string, status: number, failed: boolean, grpc = -1, ending = completed): void => {
      for (const scope of [client, server]) {
        scope.start();
        scope.finish(method, status, ending, failed, 3, 0, 0, grpc, '2', grpc < 0 ? '' : '/shop.Orders/Get');
      }
    };
    finish('GET', 200, false);
    finish('BREW', 404, false);
    finish('GET', 500, true);
    finish('GET', 0, true, -1, terminationIndex('upstream-cut'));
    finish('POST', 200, false, 5);
    finish('POST', 200, true, 14);
    const end = (error: string): string =>
      `server_address="orders.shop",server_port="80",error_type="${error}",weft_source="shop/cart",weft_route="shop/orders"} 1`;
    const http = (method: string, status: string, error: string): string =>
      `{http_request_method="${method}",http_response_status_code="${status}",url_scheme="http",network_protocol_version="2",${end(error)}`;
    const rpc = (status: string, error: string): string =>
      `{rpc_system_name="grpc",rpc_method="shop.Orders/Get",rpc_response_status_code="${status}",${end(error)}`;
    const counts = (name: string): string[] =>
      lines(table, `${name}_count`).map((line) => line.slice(`${name}_count`.length));
    const expected = [http('GET', '', 'upstream-cut'), http('GET', '200', ''), http('GET', '500', '500')];
    deepEqual(counts('http_client_request_duration_seconds'), [...expected, http('_OTHER', '404', '404')]);
    deepEqual(counts('http_server_request_duration_seconds'), [...expected, http('_OTHER', '404', '')]);
    deepEqual(counts('rpc_client_call_duration_seconds'), [
      rpc('NOT_FOUND', 'NOT_FOUND'),
      rpc('UNAVAILABLE', 'UNAVAILABLE'),
    ]);
    deepEqual(counts('rpc_server_call_duration_seconds'), [rpc('NOT_FOUND', ''), rpc('UNAVAILABLE', 'UNAVAILABLE')]);
    deepEqual(lines(table, 'weft_request_duration_seconds'), []);
    equal(lines(table, 'weft_requests_total').length, 12, 'counters keep their names');
  });

  test('a gRPC method is named when a server has answered it, and of made-up ones only so many', () => {
    const table = new SeriesTable();
    const metrics = new RequestMetrics(table);
    metrics.setNames('OpenTelemetry');
    const scope = metrics.scope(labels);
    const call = (path: string, grpcStatus: number, code: 'completed' | 'no-endpoint' = 'completed'): void => {
      scope.start();
      scope.finish('POST', 200, terminationIndex(code), grpcStatus > 0, 1, 0, 0, grpcStatus, '2', path);
    };
    const named = (): string[] => {
      const found = new Set<string>();
      for (const line of lines(table, 'rpc_client_call_duration_seconds_count'))
        found.add(/rpc_method="(.*?)"/.exec(line)![1]!);
      return [...found].sort();
    };
    call('/shop.Orders/Get', 14, 'no-endpoint');
    call('/shop.Orders/Nothing', 12);
    call('/"evil\n/x', 0);
    deepEqual(named(), ['_OTHER']);
    call('/shop.Orders/Get', 0);
    call('/shop.Orders/Get', 14, 'no-endpoint');
    deepEqual(named(), ['_OTHER', 'shop.Orders/Get']);
    for (let index = 0; index < 10_000; index += 1) call(`/made.Up/M${index}`, 16);
    equal(named().length, 201);
  });

  test('a million callers, and all that they can end in, fold into other under both kinds of names', () => {
    for (const names of ['Weft', 'OpenTelemetry'] as const) {
      const table = new SeriesTable({ maxSeries: 1_000 });
      const metrics = new RequestMetrics(table);
      metrics.setNames(names);
      const before = process.memoryUsage().heapUsed;
      for (let index = 0; index < 1_000_000; index += 1) {
        const scope = metrics.scope({ ...labels, source: `hostile"\n${index}` });
        scope.start();
        scope.finish(`M${index}`, index % 1_000, index % 20, false, index % 100, 1, 1, (index % 30) - 1);
      }
      ok(table.series <= 1_000, `${table.series} series`);
      ok(process.memoryUsage().heapUsed - before < 100_000_000, 'memory is bounded');
      const counted = lines(table, 'weft_requests_total').map((line) => Number(line.slice(line.lastIndexOf(' ') + 1)));
      equal(
        counted.reduce((sum, count) => sum + count, 0),
        1_000_000,
        'none is lost',
      );
      ok(lines(table, 'weft_requests_total').some((line) => line.includes('source="other"')));
      ok(lines(table, 'weft_metric_series_folded_total{metric="weft_requests_total"}').length === 1);
      const all = [...writeMetrics(table.snapshot(), 'openmetrics')].join('');
      ok(
        all.split('\n').every((line) => line === '' || /^(# |[a-z_]+(\{.*\})? \S+$)/.test(line)),
        'no name breaks a line',
      );
    }
  });

  test('counts attempts, retries by reason and exhausted budgets of a Service', () => {
    const table = new SeriesTable();
    const upstream = new RequestMetrics(table).upstream('shop/orders');
    upstream.attempts.add(3);
    upstream.retry('GatewayError');
    upstream.retry('GatewayError');
    upstream.retry('NeverSent');
    upstream.budgetExhausted.add(1);
    upstream.connectDuration.observeMs(3);
    deepEqual(lines(table, 'weft_upstream_retries_total'), [
      'weft_upstream_retries_total{destination="shop/orders",reason="GatewayError"} 2',
      'weft_upstream_retries_total{destination="shop/orders",reason="NeverSent"} 1',
    ]);
    deepEqual(lines(table, 'weft_upstream_attempts_total'), [
      'weft_upstream_attempts_total{destination="shop/orders"} 3',
    ]);
    deepEqual(lines(table, 'weft_upstream_retry_budget_exhausted_total'), [
      'weft_upstream_retry_budget_exhausted_total{destination="shop/orders"} 1',
    ]);
  });
});
