import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type TestMesh, startMesh } from '@weft/mesh-test';
import { readExportTarget } from '@weft/telemetry';
import { Receiver, findProgram, freePorts, getJson, missing } from './receiver-tools.ts';

const SCRAPED_MS = 30_000;
const REQUESTS = 40;

describe('histograms in a real Prometheus', () => {
  it('are native where it reads native ones: its percentile is that of the requests, not of a bucket', async (context) => {
    await withPrometheus(context, ['native-histograms'], async (mesh, api) => {
      for (let index = 0; index < REQUESTS; index += 1) await (await mesh.fetch('client', 'http://slow/')).text();
      const name = 'weft_request_duration_seconds{direction="outbound",destination="default/slow"}';
      await poll(async () => (await ask(api, `histogram_count(${name})`)) === REQUESTS);
      // No series of buckets: this Prometheus holds one native histogram instead.
      assert.equal(await ask(api, 'count(weft_request_duration_seconds_bucket)'), undefined);
      const sumSeconds = (await ask(api, `histogram_sum(${name})`))!;
      assert.ok(sumSeconds > REQUESTS * 0.03 && sumSeconds < REQUESTS * 1, `${sumSeconds} s in all`);
      const median = (await ask(api, `histogram_quantile(0.5, ${name})`))!;
      // Of fixed buckets (25, 50, 100 ms) it could say 37.5; the application takes 30 ms and the mesh some more.
      assert.ok(median > 0.029 && median < 0.2, `median ${median} s`);
      const above = (await ask(api, `histogram_fraction(0.0275, +Inf, ${name})`))!;
      assert.ok(above > 0.99, `${above} of the requests took longer than 27.5 ms`);
    });
  });

  it('are classic where it does not, with a trace behind the buckets of sampled requests', async (context) => {
    await withPrometheus(context, ['exemplar-storage'], async (mesh, api, traceIds) => {
      for (let index = 0; index < REQUESTS; index += 1) await (await mesh.fetch('client', 'http://slow/')).text();
      const name = 'weft_request_duration_seconds_count{direction="outbound",destination="default/slow"}';
      await poll(async () => (await ask(api, name)) === REQUESTS);
      const answer = await getJson<Exemplars>(
        `${api}/query_exemplars?query=${encodeURIComponent('weft_request_duration_seconds_bucket{destination="default/slow"}')}&start=${Date.now() / 1000 - 300}&end=${Date.now() / 1000 + 60}`,
      );
      const traces = (answer?.data ?? []).flatMap(({ exemplars }) => exemplars);
      assert.ok(traces.length > 0, 'Prometheus has exemplars');
      for (const { labels, value } of traces) {
        assert.ok(traceIds.has(labels.trace_id), `${labels.trace_id} is the trace of a request`);
        assert.ok(Number(value) > 0.029 && Number(value) < 5, `${value} s`);
      }
    });
  });

  it('have the names of OpenTelemetry where a policy says so', async (context) => {
    const policy = `
apiVersion: weft.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: names, namespace: default}
spec: {metrics: {names: OpenTelemetry}}
`;
    await withPrometheus(
      context,
      [],
      async (mesh, api) => {
        for (let index = 0; index < 5; index += 1) await (await mesh.fetch('client', 'http://slow/')).text();
        const labels = 'http_request_method="GET",http_response_status_code="200",server_address="slow.default"';
        for (const side of ['client', 'server']) {
          await poll(async () => (await ask(api, `http_${side}_request_duration_seconds_count{${labels}}`)) === 5);
        }
        assert.equal(await ask(api, 'weft_request_duration_seconds_count'), undefined);
      },
      policy,
    );
  });
});

interface Exemplars {
  readonly data: readonly {
    readonly exemplars: readonly { readonly labels: { readonly trace_id: string }; readonly value: string }[];
  }[];
}

interface Answer {
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

async function withPrometheus(
  context: { skip(reason: string): void },
  features: readonly string[],
  check: (mesh: TestMesh, api: string, traceIds: ReadonlySet<string>) => Promise<void>,
  routes = '',
): Promise<void> {
  const prometheus = findProgram('prometheus', 'prometheus');
  const reason = missing(prometheus);
  if (reason !== undefined) return context.skip(reason);
  const folder = mkdtempSync(join(tmpdir(), 'weft-histograms-'));
  // All traces are sampled; that nobody takes the spans must not matter to anything here.
  const target = readExportTarget('otlp-http://127.0.0.1:1', 'traces');
  assert.ok(target.ok);
  const traceIds = new Set<string>();
  const mesh = await startMesh({
    services: {
      slow: {
        handler: (request, response) => {
          traceIds.add(String(request.headers['traceparent']).slice(3, 35));
          setTimeout(() => response.end('ok'), 30);
        },
      },
      // It serves as well: what is no workload of the namespace has no policy of it.
      client: { handler: (_request, response) => void response.end() },
    },
    exports: { traces: { target: target.value, sampledPerMillion: 1_000_000 } },
    ...(routes === '' ? {} : { routes }),
  });
  // After the mesh has taken its own.
  const [port] = await freePorts(1);
  let server: Receiver | undefined;
  try {
    const targets = ['slow', 'client'].map((name) => `'127.0.0.1:${mesh.proxy(name).metricsPort}'`);
    writeFileSync(
      join(folder, 'prometheus.yaml'),
      `global: {scrape_interval: 1s}\nscrape_configs: [{job_name: weft, static_configs: [{targets: [${targets.join(', ')}]}]}]\n`,
    );
    server = new Receiver((prometheus as { path: string }).path, [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...(features.length === 0 ? [] : [`--enable-feature=${features.join(',')}`]),
    ]);
    const api = `http://127.0.0.1:${port}/api/v1`;
    await poll(async () => (await ask(api, 'sum(up)')) === 2);
    await check(mesh, api, traceIds);
    assert.equal(await ask(api, 'min(up)'), 1, 'every scrape was taken');
  } catch (error) {
    throw new Error(`${(error as Error).message}; Prometheus said: ${server?.output.slice(-800)}`, { cause: error });
  } finally {
    await server?.stop();
    await mesh.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The value of the first series; undefined when there is none. */
async function ask(api: string, query: string): Promise<number | undefined> {
  const answer = await getJson<Answer>(`${api}/query?query=${encodeURIComponent(query)}`);
  const value = answer?.data.result[0]?.value[1];
  return value === undefined ? undefined : Number(value);
}

async function poll(attempt: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + SCRAPED_MS;
  while (!(await attempt())) {
    if (performance.now() > endMs) throw new Error(`not within ${SCRAPED_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
