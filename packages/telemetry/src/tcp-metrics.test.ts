import assert from 'node:assert/strict';
import { test } from 'node:test';
import { terminationIndex, terminations } from '@weft/outcome';
import { AccessLog, SeriesTable, TcpMetrics, writeMetrics } from './index.ts';

test('connections are counted while they are open and by how they ended, their bytes as they move', () => {
  const table = new SeriesTable();
  const metrics = new TcpMetrics(table);
  const labels = {
    direction: 'outbound',
    source: 'shop/web',
    destination: 'shop/db',
    route: 'TCPRoute shop/db',
  } as const;
  const scope = metrics.scope(labels);
  assert.equal(metrics.scope({ ...labels }), scope);
  scope.start();
  scope.start();
  scope.move(10, 2_000);
  scope.finish(terminationIndex('completed'), 1_500);
  const text = [...writeMetrics(table.snapshot(), 'openmetrics')].join('');
  const series = 'direction="outbound",source="shop/web",destination="shop/db",route="TCPRoute shop/db"';
  for (const line of [
    `weft_tcp_connections_total{${series}} 2`,
    `weft_tcp_connections_open{${series}} 1`,
    `weft_tcp_connection_endings_total{${series},termination="completed"} 1`,
    `weft_tcp_received_bytes_total{${series}} 10`,
    `weft_tcp_sent_bytes_total{${series}} 2000`,
    `weft_tcp_connection_duration_seconds_count{${series}} 1`,
  ]) {
    assert.ok(text.includes(`${line}\n`), `${line}\n${text}`);
  }
});

test('a connection has a line of its own, with both its ends and its bytes', () => {
  const line = new AccessLog().writeConnection({
    startWallMs: 1_767_225_600_000,
    direction: 'outbound',
    source: 'shop/web',
    destination: 'shop/db:5432',
    serverName: 'db.example',
    termination: terminations['upstream-cut'],
    detail: 'ECONNRESET',
    flags: 1,
    receivedBytes: 10,
    sentBytes: 20,
    durationMs: 1_500.5,
    connectMs: 2,
    attempts: 2,
    upstreamAddress: '127.0.0.1:15432',
    downstreamAddress: '',
    configVersion: '0123456789abcdef',
    route: 'TCPRoute shop/db',
    rule: '0',
  });
  assert.deepEqual(JSON.parse(line), {
    time: '2026-01-01T00:00:00.000Z',
    level: 'warn',
    direction: 'outbound',
    protocol: 'tcp',
    serverName: 'db.example',
    termination: 'upstream-cut',
    detail: 'ECONNRESET',
    flags: ['mtls'],
    durationMs: 1500.5,
    connectMs: 2,
    attempts: 2,
    receivedBytes: 10,
    sentBytes: 20,
    source: 'shop/web',
    destination: 'shop/db:5432',
    route: 'TCPRoute shop/db',
    rule: '0',
    upstreamAddress: '127.0.0.1:15432',
    configVersion: '0123456789abcdef',
  });
});
