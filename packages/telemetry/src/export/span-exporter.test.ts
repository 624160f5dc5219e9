import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { TimerWheel } from '@weft/kernel';
import { FakeClock, eventually } from '@weft/testkit';
import type { Span } from '../span-sink.ts';
import { readExportTarget } from './export-target.ts';
import { SpanExport, highResolution } from './span-exporter.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe('spans on their way to a receiver', () => {
  let server: Server;
  let bodies: string[];
  let status: number;

  beforeEach(async () => {
    bodies = [];
    status = 200;
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', () => {
        bodies.push(body);
        response.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  function exporter(faults: string[] = [], maxSpans = 4): { spans: SpanExport; timers: TimerWheel; clock: FakeClock } {
    const target = readExportTarget(`zipkin://127.0.0.1:${(server.address() as AddressInfo).port}`, 'traces');
    assert.ok(target.ok);
    const clock = new FakeClock();
    const timers = new TimerWheel(clock);
    const resource = { 'service.name': 'cart' };
    const onFault = (message: string): void => void faults.push(message);
    return { spans: new SpanExport({ target: target.value, resource, timers, onFault, maxSpans }), timers, clock };
  }

  it('arrive with parent, kind, events and whole microseconds', async () => {
    const { spans } = exporter();
    spans.put(span('b7ad6b7169203331', 1_795_387_412_265.5991));
    await spans.close();
    const [sent] = JSON.parse(bodies[0]!) as [Record<string, unknown>];
    assert.equal(sent['traceId'], TRACE);
    assert.equal(sent['parentId'], 'aaaaaaaaaaaaaaaa');
    assert.equal(sent['kind'], 'CLIENT');
    assert.equal(sent['timestamp'], 1_795_387_412_265_599);
    assert.deepEqual(sent['localEndpoint'], { serviceName: 'cart' });
    assert.equal((sent['annotations'] as { value: string }[])[0]!.value, 'weft.retry');
    assert.equal(spans.queue.exported, 1);
    assert.deepEqual(highResolution(1_999.999_9), [2, 0]);
  });

  it('are counted, said once and forgotten when the receiver refuses them or is not there', async () => {
    const faults: string[] = [];
    status = 503;
    const { spans } = exporter(faults);
    spans.put(span('b7ad6b7169203331', 1));
    spans.put(span('b7ad6b7169203332', 1));
    await spans.close();
    assert.equal(spans.queue.failed, 2);
    assert.equal(spans.queue.exported, 0);
    assert.equal(faults.length, 1);
    const gone = exporter(faults);
    server.close();
    server.closeAllConnections();
    gone.spans.put(span('b7ad6b7169203331', 1));
    await gone.spans.close();
    assert.equal(gone.spans.queue.failed, 1);
  });

  it('are dropped and counted beyond the bound, before anything is sent', async () => {
    const { spans } = exporter([], 3);
    for (let index = 0; index < 10; index += 1) spans.put(span(`b7ad6b716920333${index}`, index + 1));
    assert.equal(spans.queue.dropped, 7);
    assert.equal(spans.queue.waitingItems, 3);
    await spans.close();
    await eventually(() => spans.queue.exported === 3, 2_000);
  });

  it('have a receiver that a person can name', () => {
    const url = (text: string): string => {
      const read = readExportTarget(text, 'traces');
      return read.ok ? `${read.value.protocol} ${read.value.url}` : 'refused';
    };
    assert.equal(url('otlp-grpc://collector:4317'), 'otlp-grpc http://collector:4317');
    assert.equal(url('otlp-http://collector'), 'otlp-http http://collector:4318/v1/traces');
    assert.equal(url('otlp-http+tls://collector:443/in'), 'otlp-http https://collector:443/in');
    assert.equal(url('zipkin://[::1]:9411'), 'zipkin http://[::1]:9411/api/v2/spans');
    for (const text of ['', 'http://collector', 'otlp-grpc://', 'otlp-grpc://a/b', 'otlp-http://a b']) {
      assert.equal(url(text), 'refused', text);
    }
    assert.equal(readExportTarget('zipkin://a', 'logs').ok, false);
  });
});

function span(spanId: string, startWallMs: number): Span {
  return {
    context: { traceId: TRACE, spanId, sampled: true, state: '', parentSpanId: 'aaaaaaaaaaaaaaaa' },
    kind: 'client',
    name: 'GET HTTPRoute shop/orders',
    startWallMs,
    durationMs: 3,
    failed: false,
    attributes: { 'http.request.method': 'GET' },
    events: [{ name: 'weft.retry', wallMs: startWallMs, attributes: {} }],
  };
}
