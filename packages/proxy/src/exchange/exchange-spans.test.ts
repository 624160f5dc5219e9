import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { SpanBuffer } from '@weft/telemetry';
import { eventually } from '@weft/testkit';
import { StateFixture, ask, startApplication, webOptions, webResources } from '../fixture/proxy-fixture.ts';
import { startProxy } from '../proxy.ts';
import type { Tracing } from './exchange-spans.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
/** Far more than it takes, on a machine that does other things as well. */
const WAIT_MS = 20_000;

describe('a request through a proxy that traces', () => {
  let application: Server;
  let state: StateFixture;
  let received: (string | undefined)[] = [];

  before(async () => {
    const started = await startApplication((request, response) => {
      received.push(request.headers.traceparent as string | undefined);
      response.statusCode = request.url === '/broken' ? 500 : 200;
      response.end('ok');
    });
    application = started.server;
    state = await StateFixture.make(webResources([started.port]));
  });

  after(() => {
    application.close();
    application.closeAllConnections();
    state.remove();
  });

  /** A caller has its answer before the proxy has ended the request: `spans` are waited for before it is stopped. */
  async function send(
    tracing: Tracing | undefined,
    path: string,
    headers: Record<string, string>,
    spans = 0,
  ): Promise<void> {
    received = [];
    const proxy = await startProxy(webOptions(state.path, [], tracing === undefined ? {} : { tracing }));
    try {
      await ask({ host: '127.0.0.1', port: proxy.outboundPort, path, headers });
      if (tracing?.sink instanceof SpanBuffer) {
        const { sink } = tracing;
        await eventually(() => sink.length >= spans, WAIT_MS);
      }
    } finally {
      await proxy.stop();
    }
  }

  it('is a server span under its caller, and a client span that the next hop hears of', async () => {
    const sink = new SpanBuffer(8);
    const traceparent = `00-${TRACE}-${CALLER}-01`;
    await send({ sink, sampledPerMillion: 0 }, '/', { host: 'orders', traceparent }, 2);
    const [server, client, ...more] = sink.take();
    assert.ok(server !== undefined && client !== undefined);
    assert.deepEqual(more, []);
    assert.equal(server.kind, 'server');
    assert.equal(server.context.traceId, TRACE);
    assert.equal(server.context.parentSpanId, CALLER);
    assert.equal(client.kind, 'client');
    assert.equal(client.context.traceId, TRACE);
    assert.equal(client.context.parentSpanId, server.context.spanId);
    assert.notEqual(client.context.spanId, server.context.spanId);
    assert.deepEqual(received, [`00-${TRACE}-${client.context.spanId}-01`]);
    assert.equal(server.name, 'GET Service shop/orders');
    assert.equal(server.attributes['http.response.status_code'], 200);
    assert.equal(server.failed, false);
    assert.ok(client.startWallMs >= server.startWallMs && client.durationMs <= server.durationMs);
  });

  it('begins a trace when none came, of the share that is asked for', async () => {
    const all = new SpanBuffer(8);
    await send({ sink: all, sampledPerMillion: 1_000_000 }, '/broken', { host: 'orders' }, 2);
    const spans = all.take();
    assert.equal(spans.length, 2);
    assert.equal(spans[0]!.context.parentSpanId, '');
    assert.equal(spans[0]!.failed, true);
    assert.match(received[0]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    const none = new SpanBuffer(8);
    await send({ sink: none, sampledPerMillion: 0 }, '/', { host: 'orders' });
    assert.deepEqual(none.take(), []);
    assert.match(received[0]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  it('is one server span when it is refused before a try', async () => {
    const sink = new SpanBuffer(8);
    await send({ sink, sampledPerMillion: 1_000_000 }, '/', { host: 'nobody' }, 1);
    const spans = sink.take();
    assert.deepEqual(
      spans.map(({ kind }) => kind),
      ['server'],
    );
    assert.equal(spans[0]!.failed, true);
    assert.notEqual(spans[0]!.attributes['weft.termination'], 'completed');
  });

  it('keeps the traceparent that came when the proxy does not trace', async () => {
    const traceparent = `00-${TRACE}-${CALLER}-01`;
    await send(undefined, '/', { host: 'orders', traceparent });
    assert.deepEqual(received, [traceparent]);
  });

  it('is traced by worker threads too', async () => {
    const sink = new SpanBuffer(8);
    received = [];
    const proxy = await startProxy(
      webOptions(state.path, [], { workers: 2, tracing: { sink, sampledPerMillion: 1_000_000 } }),
    );
    try {
      await ask({ host: '127.0.0.1', port: proxy.outboundPort, headers: { host: 'orders' } });
      let spans = sink.take();
      await eventually(() => (spans = [...spans, ...sink.take()]).length === 2, WAIT_MS);
      assert.equal(received[0], `00-${spans[0]!.context.traceId}-${spans[1]!.context.spanId}-01`);
    } finally {
      await proxy.stop();
    }
  });
});
