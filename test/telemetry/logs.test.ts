import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type TestMesh, startMesh } from '@weft/mesh-test';
import { readExportTarget } from '@weft/telemetry';
import { Receiver, findCollector, freePorts, missing } from './receiver-tools.ts';

/** More than a batch. */
const REQUESTS = 700;
const ARRIVE_MS = 40_000;

describe('lines over OTLP', () => {
  for (const { protocol, format } of [
    { protocol: 'otlp-grpc', format: 'Json' },
    { protocol: 'otlp-http', format: 'Otel' },
  ] as const) {
    it(`reach OpenTelemetry's collector, each once, with their time, level, trace and fields: ${protocol}, ${format}`, async (context) => {
      const tool = findCollector();
      const reason = missing(tool);
      if (reason !== undefined) return context.skip(reason);
      const folder = mkdtempSync(join(tmpdir(), 'weft-otelcol-'));
      const onward = new Onward();
      const behind = await onward.listen();
      const [grpc, http] = await freePorts(2);
      writeFileSync(join(folder, 'collector.yaml'), configuration(grpc!, http!, behind));
      const collector = new Receiver((tool as { path: string }).path, [`--config=${join(folder, 'collector.yaml')}`]);
      let mesh: TestMesh | undefined;
      try {
        await until(
          async () => collector.output.includes('Everything is ready'),
          () => collector.output,
        );
        const target = readExportTarget(`${protocol}://127.0.0.1:${protocol === 'otlp-grpc' ? grpc : http}`, 'logs');
        assert.ok(target.ok);
        mesh = await startMesh({
          services: {
            orders: {
              handler: (request, response) =>
                void response
                  .writeHead(request.url!.endsWith('7') ? 503 : 200)
                  .end(String(request.headers['traceparent'])),
            },
            client: {},
          },
          exports: {
            logs: target.value,
            // Lines have a trace to be found by, whoever takes its spans.
            traces: { target: target.value, sampledPerMillion: 0 },
          },
          routes: `
apiVersion: weft.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: all, namespace: default}
spec: {accessLog: {when: Always, format: ${format}}}
---
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: plain, namespace: default}
spec: {retries: {attempts: 0}, circuitBreaker: {enabled: false}, outlierDetection: {enabled: false}}
`,
        });
        const traces = new Map<string, string>();
        for (let index = 0; index < REQUESTS; index += 1) {
          const response = await mesh.fetch('client', `http://orders/n/${index}?secret=${index}`);
          traces.set(`/n/${index}`, (await response.text()).slice(3, 35));
        }
        const records = await until(
          () => {
            const found = onward.records.filter(({ service }) => service === 'orders');
            return Promise.resolve(found.length >= REQUESTS ? found : undefined);
          },
          () => `${onward.records.length} records; ${collector.output}`,
        );
        assert.equal(records.length, REQUESTS);
        const names =
          format === 'Json' ? (['path', 'status'] as const) : (['url.path', 'http.response.status_code'] as const);
        const seen = new Set<string>();
        for (const { attributes, record } of records) {
          const path = String(attributes[names[0]]).split('?', 1)[0]!;
          assert.ok(!seen.has(path), `${path} came once`);
          seen.add(path);
          assert.equal(Number(attributes[names[1]]), path.endsWith('7') ? 503 : 200);
          assert.equal(record.traceId, traces.get(path), `${path} has its trace`);
          assert.ok(Math.abs(Number(BigInt(record.timeUnixNano) / 1_000_000n) - Date.now()) < 120_000);
          assert.equal(record.severityText, 'DEBUG');
          assert.ok(!JSON.stringify(attributes).includes('secret='), 'what a query says is redacted');
        }
        assert.equal(seen.size, REQUESTS);
        const metrics = await (await fetch(`http://127.0.0.1:${mesh.proxy('orders').metricsPort}/metrics`)).text();
        const exported = /weft_export_items_total\{signal="logs",result="exported"\} (\d+)/.exec(metrics)?.[1];
        assert.equal(Number(exported), REQUESTS, 'the sidecar counts what was taken');
      } finally {
        await mesh?.stop();
        await collector.stop();
        onward.close();
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }

  it('that nobody takes cost a counter and no request, and come again when somebody listens', async (context) => {
    const tool = findCollector();
    const reason = missing(tool);
    if (reason !== undefined) return context.skip(reason);
    const folder = mkdtempSync(join(tmpdir(), 'weft-otelcol-'));
    const onward = new Onward();
    const behind = await onward.listen();
    // Not one that the mesh may take.
    const [grpc, http] = await freePorts(2);
    writeFileSync(join(folder, 'collector.yaml'), configuration(grpc!, http!, behind));
    const target = readExportTarget(`otlp-http://127.0.0.1:${http}`, 'logs');
    assert.ok(target.ok);
    const mesh = await startMesh({
      services: { orders: { handler: (_request, response) => void response.end('ok') }, client: {} },
      exports: { logs: target.value },
      routes:
        'apiVersion: weft.dev/v1alpha1\nkind: TelemetryPolicy\nmetadata: {name: all, namespace: default}\nspec: {accessLog: {when: Always}}\n',
    });
    let collector: Receiver | undefined;
    try {
      const failed = async (): Promise<number> => {
        const text = await (await fetch(`http://127.0.0.1:${mesh.proxy('orders').metricsPort}/metrics`)).text();
        return Number(/weft_export_items_total\{signal="logs",result="failed"\} (\d+)/.exec(text)?.[1] ?? 0);
      };
      for (let index = 0; index < 50; index += 1) {
        assert.equal((await mesh.fetch('client', 'http://orders/')).status, 200);
      }
      await until(async () => (await failed()) === 50);
      collector = new Receiver((tool as { path: string }).path, [`--config=${join(folder, 'collector.yaml')}`]);
      await until(() => Promise.resolve(collector!.output.includes('Everything is ready')));
      await until(async () => {
        await (await mesh.fetch('client', 'http://orders/')).text();
        return onward.records.length > 0;
      });
    } finally {
      await mesh.stop();
      await collector?.stop();
      onward.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** What the collector got it hands on to `port`, as JSON. */
function configuration(grpc: number, http: number, port: number): string {
  return `receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:${grpc}'}, http: {endpoint: '127.0.0.1:${http}'}}}}
exporters: {otlphttp: {endpoint: 'http://127.0.0.1:${port}', encoding: json, compression: none}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [otlp], exporters: [otlphttp]}}
`;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string; readonly doubleValue?: number };
}

interface LogRecord {
  readonly timeUnixNano: string;
  readonly severityText: string;
  readonly traceId: string;
  readonly attributes: readonly Attribute[];
}

interface Batch {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeLogs: readonly { readonly logRecords: readonly LogRecord[] }[];
  }[];
}

interface Received {
  readonly service: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly record: LogRecord;
}

/** Stands behind the collector and keeps what it says it got. */
class Onward {
  readonly records: Received[];
  private readonly server: Server;

  constructor() {
    this.records = [];
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => void chunks.push(chunk));
      request.once('end', () => {
        this.records.push(...readRecords(JSON.parse(Buffer.concat(chunks).toString()) as Batch));
        response.setHeader('content-type', 'application/json').end('{}');
      });
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => void this.server.listen(0, '127.0.0.1', resolve));
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function readRecords({ resourceLogs }: Batch): Received[] {
  return resourceLogs.flatMap(({ resource, scopeLogs }) => {
    const service = String(readAttributes(resource.attributes)['service.name']);
    return scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map((record) => ({ service, record, attributes: readAttributes(record.attributes) })),
    );
  });
}

function readAttributes(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue ?? value.doubleValue]),
  );
}

async function until<T>(ask: () => Promise<T | undefined | false>, output: () => string = () => ''): Promise<T> {
  const endMs = performance.now() + ARRIVE_MS;
  for (;;) {
    const value = await ask();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`not within ${ARRIVE_MS} ms; ${output().slice(-500)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
