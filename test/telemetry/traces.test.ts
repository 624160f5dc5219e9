import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { type TestMesh, startMesh } from '@weft/mesh-test';
import { readExportTarget } from '@weft/telemetry';
import { eventually } from '@weft/testkit';
import { Receiver, findJaeger, findZipkin, freePorts, getJson, missing, startJaeger } from './receiver-tools.ts';

/** Zipkin takes a minute on a busy machine. */
const START_MS = 150_000;
const ARRIVE_MS = 20_000;
/** In the order of the calls. */
const services = ['web', 'cart', 'orders', 'stock'] as const;
/** A caller, and four hops: every hop is a span of the caller's sidecar on each side, and one of the callee's. */
const callers = ['client', ...services] as const;

interface HopSpan {
  readonly service: string;
  readonly id: string;
  readonly parent: string;
  readonly kind: 'server' | 'client';
}

describe('a trace of four hops', () => {
  it('reaches Jaeger whole over OTLP, by gRPC and by HTTP', async (context) => {
    const tool = findJaeger();
    const reason = missing(tool);
    if (reason !== undefined) return context.skip(reason);
    const { receiver: jaeger, grpc, http, api } = await startJaeger((tool as { path: string }).path);
    try {
      await arrives(
        () => getJson(`${api}/services`),
        START_MS,
        () => jaeger.output,
      );
      for (const target of [`otlp-grpc://127.0.0.1:${grpc}`, `otlp-http://127.0.0.1:${http}`]) {
        await withMesh(target, async (traceId) => {
          const spans = await arrives(
            async () => {
              const found = await getJson<JaegerAnswer>(`${api}/traces/${traceId}`);
              const read = readJaeger(found);
              return read.length === SPANS ? read : undefined;
            },
            ARRIVE_MS,
            () => jaeger.output,
          );
          assertConnected(spans);
        });
      }
    } finally {
      await jaeger.stop();
    }
  });

  it('reaches Zipkin whole', async (context) => {
    const tool = findZipkin();
    const reason = missing(tool);
    if (reason !== undefined) return context.skip(reason);
    const [port] = await freePorts(1);
    const zipkin = new Receiver('java', ['-Xmx256m', '-jar', (tool as { path: string }).path], {
      QUERY_PORT: String(port),
    });
    try {
      const api = `http://127.0.0.1:${port}/api/v2`;
      await arrives(
        () => getJson(`${api}/services`),
        START_MS,
        () => zipkin.output,
      );
      await withMesh(`zipkin://127.0.0.1:${port}`, async (traceId) => {
        const spans = await arrives(
          async () => {
            const found = (await getJson<readonly ZipkinSpan[]>(`${api}/trace/${traceId}`)) ?? [];
            return found.length === SPANS ? found.map(readZipkin) : undefined;
          },
          ARRIVE_MS,
          () => zipkin.output,
        );
        assertConnected(spans);
      });
    } finally {
      await zipkin.stop();
    }
  });
});

/** A sidecar that calls tells two spans, one that is called two: its own, and that of its call to the application. */
const SPANS = services.length * 4;

async function withMesh(target: string, check: (traceId: string) => Promise<void>): Promise<void> {
  const read = readExportTarget(target, 'traces');
  assert.ok(read.ok);
  // The handlers need the mesh that they are handed to.
  const running: { mesh?: TestMesh } = {};
  const handlers = services.map((name, index) => {
    const next = services[index + 1];
    return [
      name,
      {
        handler:
          next === undefined
            ? answer
            : (incoming: IncomingMessage, response: ServerResponse) =>
                forward(running.mesh!, name, next, incoming, response),
      },
    ] as const;
  });
  const mesh = await startMesh({
    services: { client: {}, ...Object.fromEntries(handlers) },
    exports: { traces: { target: read.value, sampledPerMillion: 1_000_000 } },
  });
  running.mesh = mesh;
  try {
    const response = await mesh.fetch('client', 'http://web/');
    assert.equal(response.status, 200);
    const traceId = (await response.text()).slice(3, 35);
    assert.match(traceId, /^[0-9a-f]{32}$/);
    await check(traceId);
  } finally {
    await mesh.stop();
  }
}

function answer(incoming: IncomingMessage, response: ServerResponse): void {
  response.end(incoming.headers['traceparent']);
}

/** What any application does that wants a connected trace: it hands on the header it got. */
function forward(
  mesh: TestMesh,
  name: string,
  next: string,
  incoming: IncomingMessage,
  response: ServerResponse,
): void {
  const { traceparent = '' } = incoming.headers as Record<string, string>;
  const onward = request(
    {
      host: '127.0.0.1',
      port: mesh.proxy(name).outboundPort,
      path: `http://${next}/`,
      headers: { host: next, traceparent },
    },
    (answered) => {
      response.statusCode = answered.statusCode ?? 500;
      answered.pipe(response);
    },
  );
  onward.on('error', () => response.writeHead(502).end());
  onward.end();
}

function assertConnected(spans: readonly HopSpan[]): void {
  const byId = new Map(spans.map((span) => [`${span.id} ${span.kind}`, span]));
  assert.equal(byId.size, SPANS, 'no span is told twice');
  const ids = new Set(spans.map(({ id }) => id));
  const roots = spans.filter(({ parent }) => !ids.has(parent));
  assert.deepEqual(
    roots.map(({ service, kind }) => `${service} ${kind}`),
    ['client server'],
    'one root, at the sidecar of the caller',
  );
  // From the leaf to the root the services stand in the order of the calls.
  const chain: string[] = [];
  const children = new Set(spans.map(({ parent }) => parent));
  let at: HopSpan | undefined = spans.find(({ id }) => !children.has(id));
  for (; at !== undefined; at = spans.find(({ id }) => id === at!.parent)) chain.unshift(at.service);
  assert.deepEqual([...new Set(chain)], [...callers]);
  assert.equal(chain.length, SPANS, 'every span is on the way from the root to the last hop');
}

async function arrives<T>(ask: () => Promise<T | undefined>, timeoutMs: number, output: () => string): Promise<T> {
  let found: T | undefined;
  let asking = false;
  try {
    await eventually(() => {
      if (!asking && found === undefined) {
        asking = true;
        void ask().then((value) => {
          found = value;
          asking = false;
        });
      }
      return found !== undefined;
    }, timeoutMs);
  } catch (error) {
    throw new Error(`${(error as Error).message}; the receiver said: ${output().slice(-500)}`, { cause: error });
  }
  return found!;
}

interface JaegerAnswer {
  readonly data: readonly {
    readonly spans: readonly {
      readonly spanID: string;
      readonly references: readonly { readonly spanID: string }[];
      readonly processID: string;
      readonly tags: readonly { readonly key: string; readonly value: unknown }[];
    }[];
    readonly processes: Readonly<Record<string, { readonly serviceName: string }>>;
  }[];
}

function readJaeger(answerOf: JaegerAnswer | undefined): HopSpan[] {
  const trace = answerOf?.data[0];
  return (trace?.spans ?? []).map(({ spanID, references, processID, tags }) => ({
    service: trace!.processes[processID]!.serviceName,
    id: spanID,
    parent: references[0]?.spanID ?? '',
    kind: tags.find(({ key }) => key === 'span.kind')?.value === 'client' ? 'client' : 'server',
  }));
}

interface ZipkinSpan {
  readonly id: string;
  readonly parentId?: string;
  readonly kind: string;
  readonly localEndpoint: { readonly serviceName: string };
}

function readZipkin({ id, parentId = '', kind, localEndpoint }: ZipkinSpan): HopSpan {
  return { service: localEndpoint.serviceName, id, parent: parentId, kind: kind === 'CLIENT' ? 'client' : 'server' };
}
