import { equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { terminationCodes, terminationIndex } from '@weft/outcome';
import { writeMetrics } from './metrics-text.ts';
import { ConnectionMetrics, type ProxyFactSources, registerProxyFacts } from './proxy-facts.ts';
import { SeriesTable } from './series-table.ts';

const sources: ProxyFactSources = {
  pools: () => [
    {
      destination: 'shop/orders',
      openConnections: 4,
      openHttp2: 1,
      streams: 7,
      stalls: 6,
      idleConnections: 3,
      pendingRequests: 2,
      connects: 9,
      connectFailures: 1,
    },
  ],
  breakers: () => [{ destination: 'shop/orders', state: 'half-open', opened: 2 }],
  endpoints: () => [{ destination: 'shop/orders', endpoints: 3, ejected: 1, ejections: 5 }],
  certificates: () => [{ kind: 'leaf', identity: 'spiffe://a/ns/b/sa/c', notAfterMs: 1_500 }],
  configuration: () => ({ version: '0123abcd', applied: 7, rejected: 1, lastAppliedMs: 2_000, applyMaxMs: 3 }),
  control: () => ({ connected: true, reconnects: 2 }),
  loop: () => ({
    delayP50Ms: 1,
    delayP99Ms: 5,
    delayMaxMs: 9,
    coalescings: 40,
    coalescingTotalMs: 4,
    gcPauses: 3,
    gcPauseTotalMs: 12,
    gcPauseMaxMs: 6,
  }),
  process: () => ({
    residentBytes: 1_000,
    heapUsedBytes: 500,
    externalBytes: 100,
    cpuUserMs: 1_500,
    cpuSystemMs: 500,
    startMs: 8_000,
    weftVersion: '0.1.0',
    nodeVersion: '26.10.0',
  }),
  callers: () => [{ caller: 'mesh', http1Connections: 2, http2Connections: 3, streams: 40 }],
  log: () => ({ writtenLines: 10, droppedLines: 4 }),
};

function scrape(table: SeriesTable): string[] {
  return [...writeMetrics(table.snapshot(), 'prometheus')].join('').split('\n');
}

describe('registerProxyFacts', () => {
  test('every fact is a metric in base units', () => {
    const table = new SeriesTable();
    registerProxyFacts(table, sources);
    const lines = scrape(table);
    for (const expected of [
      'weft_upstream_connections_open{destination="shop/orders",protocol="http/1.1"} 3',
      'weft_upstream_connections_open{destination="shop/orders",protocol="http/2"} 1',
      'weft_downstream_connections_open{caller="mesh",protocol="http/1.1"} 2',
      'weft_downstream_connections_open{caller="mesh",protocol="http/2"} 3',
      'weft_downstream_streams_open{caller="mesh"} 40',
      'weft_upstream_streams_open{destination="shop/orders"} 7',
      'weft_upstream_flow_control_stalls_total{destination="shop/orders"} 6',
      'weft_upstream_connections_idle{destination="shop/orders"} 3',
      'weft_upstream_requests_pending{destination="shop/orders"} 2',
      'weft_upstream_connects_total{destination="shop/orders"} 9',
      'weft_upstream_connect_failures_total{destination="shop/orders"} 1',
      'weft_breaker_state{destination="shop/orders",state="half-open"} 1',
      'weft_breaker_state{destination="shop/orders",state="open"} 0',
      'weft_breaker_opened_total{destination="shop/orders"} 2',
      'weft_upstream_endpoints{destination="shop/orders"} 3',
      'weft_upstream_endpoints_ejected{destination="shop/orders"} 1',
      'weft_upstream_ejections_total{destination="shop/orders"} 5',
      'weft_certificate_expiry_timestamp_seconds{kind="leaf",identity="spiffe://a/ns/b/sa/c"} 1.5',
      'weft_configuration_info{version="0123abcd"} 1',
      'weft_configuration_applied_total 7',
      'weft_configuration_rejected_total 1',
      'weft_configuration_applied_timestamp_seconds 2',
      'weft_configuration_apply_max_seconds 0.003',
      'weft_control_connected 1',
      'weft_control_reconnects_total 2',
      'weft_event_loop_delay_seconds{quantile="0.99"} 0.005',
      'weft_event_loop_delay_seconds{quantile="1"} 0.009',
      'weft_event_loop_coalescings_total 40',
      'weft_event_loop_coalescing_seconds_total 0.004',
      'weft_gc_pauses_total 3',
      'weft_gc_pause_seconds_total 0.012',
      'weft_gc_pause_max_seconds 0.006',
      'process_resident_memory_bytes 1000',
      'process_cpu_seconds_total 2',
      'process_start_time_seconds 8',
      'weft_build_info{version="0.1.0",node="26.10.0"} 1',
      'weft_log_lines_total 10',
      'weft_log_dropped_total 4',
    ]) {
      ok(lines.includes(expected), expected);
    }
  });

  test('what a process does not know it does not report', () => {
    const table = new SeriesTable();
    registerProxyFacts(table, { log: sources.log! });
    equal(scrape(table).filter((line) => line.startsWith('weft_upstream') || line.startsWith('process_')).length, 0);
  });
});

describe('ConnectionMetrics', () => {
  test('counts each ending in its own series, zero before the first', () => {
    const table = new SeriesTable();
    const connections = new ConnectionMetrics(table);
    connections.accept();
    connections.hold();
    connections.finish(terminationIndex('wrong-scheme'));
    connections.stall('edge');
    const lines = scrape(table);
    ok(lines.includes('weft_connections_accepted_total 1'));
    ok(lines.includes('weft_connections_held_total 1'));
    ok(lines.includes('weft_downstream_flow_control_stalls_total{caller="edge"} 1'));
    ok(lines.includes('weft_connection_endings_total{termination="wrong-scheme"} 1'));
    ok(lines.includes('weft_connection_endings_total{termination="completed"} 0'));
    equal(lines.filter((line) => line.startsWith('weft_connection_endings_total{')).length, terminationCodes.length);
  });
});
