import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AccessLogSettings } from '@weft/model';
import { terminations } from '@weft/outcome';
import { type AccessLogFacts, type ConnectionLogFacts, isSampledId } from '@weft/telemetry';
import { AccessLogPlan } from './access-log-plan.ts';

const all: AccessLogSettings = { when: 'Always', format: 'Json', filter: '', perMillion: 1_000_000, query: 'Redact' };

const connection: ConnectionLogFacts = {
  startWallMs: Date.UTC(2026, 0, 1),
  direction: 'outbound',
  source: 'shop/web',
  destination: 'shop/db:5432',
  serverName: 'db.example',
  termination: terminations.completed,
  detail: '',
  flags: 1,
  receivedBytes: 10,
  sentBytes: 2_000,
  durationMs: 1_500,
  connectMs: 2,
  attempts: 1,
  upstreamAddress: '192.0.2.7:5432',
  downstreamAddress: '192.0.2.1:40000',
  configVersion: 'abc',
  route: 'TCPRoute shop/db',
  rule: '0',
};
const cut: ConnectionLogFacts = { ...connection, termination: terminations['upstream-cut'] };

const request: AccessLogFacts = {
  ...connection,
  requestId: '',
  traceId: '',
  protocol: 'http1',
  method: 'GET',
  authority: 'orders',
  target: '/',
  status: 200,
  grpcStatus: -1,
  requestBytes: 0,
  responseBytes: 0,
  upstreamMs: 1,
};

function countOf(lines: readonly (string | undefined)[]): number {
  return lines.filter((line) => line !== undefined).length;
}

describe('the access log of connections', () => {
  it('has the names that the policy chose', () => {
    const written = (format: AccessLogSettings['format']): Record<string, unknown> =>
      JSON.parse(new AccessLogPlan({ ...all, format }, 'Never').writeConnection(cut)!) as Record<string, unknown>;
    assert.equal(written('Json')['protocol'], 'tcp');
    const ecs = written('Ecs');
    assert.equal(ecs['@timestamp'], '2026-01-01T00:00:00.000Z');
    assert.equal(ecs['network.transport'], 'tcp');
    assert.equal(ecs['event.outcome'], 'failure');
    assert.equal(ecs['event.duration'], 1_500_000_000);
    assert.equal(ecs['source.bytes'], 10);
    assert.equal(ecs['destination.bytes'], 2_000);
    assert.equal(ecs['tls.client.server_name'], 'db.example');
    assert.deepEqual(ecs['weft.flags'], ['mtls']);
    const otel = written('Otel');
    assert.equal(otel['Body'], 'TCP shop/db:5432 upstream-cut');
    assert.equal(otel['SeverityText'], 'WARN');
    const attributes = otel['Attributes'] as Record<string, unknown>;
    assert.equal(attributes['network.transport'], 'tcp');
    assert.equal(attributes['network.peer.address'], '192.0.2.7:5432');
    assert.equal(attributes['weft.destination'], 'shop/db:5432');
  });

  it('is filtered by the expression that filters requests', () => {
    const cases: readonly (readonly [string, boolean])[] = [
      ['protocol == "tcp"', true],
      ['duration > 1s && responseBytes >= 2000', true],
      ['authority endsWith ".example" && destination startsWith "shop/"', true],
      ['status >= 500', false],
      ['method == "GET"', false],
      ['termination == "completed"', true],
    ];
    for (const [filter, expected] of cases) {
      const plan = new AccessLogPlan({ ...all, filter }, 'Never');
      assert.equal(plan.writeConnection(connection) !== undefined, expected, filter);
    }
  });

  it('draws its share evenly, and never draws a failure away', () => {
    const plan = new AccessLogPlan({ ...all, perMillion: 250_000 }, 'Never');
    const good = Array.from({ length: 1_000 }, () => plan.writeConnection(connection));
    assert.equal(countOf(good), 250);
    assert.equal(countOf(good.slice(0, 100)), 25);
    assert.equal(countOf(Array.from({ length: 100 }, () => plan.writeConnection(cut))), 100);
  });

  it('names hostile servers in one line that no terminal obeys', () => {
    const serverName = `x"\n\u001b[31m${'y'.repeat(5_000)}`;
    for (const format of ['Json', 'Ecs', 'Otel'] as const) {
      const line = new AccessLogPlan({ ...all, format }, 'Never').writeConnection({ ...connection, serverName })!;
      assert.equal(line.indexOf('\n'), line.length - 1, format);
      assert.ok(!line.includes('\u001b') && line.length < 4_096, format);
      assert.ok(JSON.stringify(JSON.parse(line)).includes('x\\"\\n'), format);
    }
  });
});

describe('the share of requests', () => {
  it('is drawn though nothing is traced', () => {
    const plan = new AccessLogPlan({ ...all, perMillion: 100_000 }, 'Never');
    assert.equal(countOf(Array.from({ length: 1_000 }, () => plan.write(request))), 100);
    const failed = { ...request, status: 503 };
    assert.equal(countOf(Array.from({ length: 10 }, () => plan.write(failed))), 10);
  });

  it('is that of traces where there are some: every hop draws the same', () => {
    const plans = [0, 1].map(() => new AccessLogPlan({ ...all, perMillion: 500_000 }, 'Never'));
    for (let index = 0; index < 100; index += 1) {
      const traceId = ((index * 2_654_435_761) % 2 ** 32).toString(16).padStart(32, '0');
      const [here, there] = plans.map((plan) => plan.write({ ...request, traceId }) !== undefined);
      assert.equal(here, there);
      assert.equal(here, ((index * 2_654_435_761) % 2 ** 32) / 2 ** 32 < 0.5);
    }
  });

  it('is the same that spans are drawn by, for ids of 16 digits and of upper case too', () => {
    const plan = new AccessLogPlan({ ...all, perMillion: 250_000 }, 'Never');
    const draws = ['00000000', '3fffffff', '40000000', 'BFFFFFFF', 'ffffffff'];
    for (const head of ['f'.repeat(24), '0'.repeat(8)]) {
      const drawn = draws.map((draw) => plan.write({ ...request, traceId: head + draw }) !== undefined);
      assert.deepEqual(drawn, [true, true, false, false, false]);
      assert.deepEqual(
        draws.map((draw) => isSampledId(head + draw, 250_000)),
        drawn,
      );
    }
  });
});
