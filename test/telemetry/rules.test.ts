import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startMesh } from '@weft/mesh-test';
import { Receiver, findProgram, freePorts, getJson, missing } from './receiver-tools.ts';

const root = join(import.meta.dirname, '../..');
const rules = join(root, 'deploy/prometheus/weft-rules.yaml');
const tests = join(root, 'deploy/prometheus/weft-rules-test.yaml');
const dashboards = join(root, 'deploy/grafana');
const START_MS = 30_000;
const FIRE_MS = 60_000;

describe('rules and dashboards', () => {
  it('are rules that promtool takes, and fire when and only when they should', (context) => {
    const promtool = findProgram('promtool', 'prometheus');
    const reason = missing(promtool);
    if (reason !== undefined) return context.skip(reason);
    const { path } = promtool as { path: string };
    for (const args of [
      ['check', 'rules', rules],
      ['test', 'rules', tests],
    ]) {
      const { status, stdout, stderr } = spawnSync(path, args, { encoding: 'utf8', timeout: 60_000 });
      assert.equal(status, 0, `${stdout}${stderr}`);
    }
  });

  it('speak only of metrics that a proxy or the control plane has', () => {
    const known = sourceTexts();
    const files = [rules, ...readdirSync(dashboards).map((name) => join(dashboards, name))];
    assert.ok(files.length > 1, 'there are dashboards');
    for (const file of files) {
      for (const [name] of readFileSync(file, 'utf8').matchAll(/\bweft_[a-z0-9_]+/g)) {
        const base = name.replace(/_(bucket|sum|count)$/, '');
        assert.ok(known.includes(`'${base}'`) || known.includes(`'${name}'`), `${file}: there is no metric ${name}`);
      }
    }
  });

  it('page when a service of a scraped mesh is broken', async (context) => {
    const prometheus = findProgram('prometheus', 'prometheus');
    const reason = missing(prometheus);
    if (reason !== undefined) return context.skip(reason);
    const folder = mkdtempSync(join(tmpdir(), 'weft-prometheus-'));
    const callers = Array.from({ length: 19 }, (_, index) => `web-${index}`);
    const mesh = await startMesh({
      services: {
        orders: { handler: (_request, response) => void response.writeHead(500).end() },
        ...Object.fromEntries(callers.map((name) => [name, {}])),
      },
      routes: noRetries,
    });
    const [port] = await freePorts(1);
    let server: Receiver | undefined;
    try {
      const targets = ['orders', ...callers].map((name) => `'127.0.0.1:${mesh.proxy(name).metricsPort}'`);
      // The rules as they are, but for how long they wait before they fire.
      writeFileSync(join(folder, 'rules.yaml'), readFileSync(rules, 'utf8').replaceAll(/^( +for:) \d+m$/gm, '$1 1s'));
      writeFileSync(
        join(folder, 'prometheus.yaml'),
        `global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [rules.yaml]\nscrape_configs: [{job_name: weft, static_configs: [{targets: [${targets.join(', ')}]}]}]\n`,
      );
      server = new Receiver((prometheus as { path: string }).path, [
        `--config.file=${join(folder, 'prometheus.yaml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ]);
      const api = `http://127.0.0.1:${port}/api/v1`;
      await poll(
        START_MS,
        () => server!.output,
        async () => {
          const up = await getJson<Answer>(`${api}/query?query=${encodeURIComponent('sum(up)')}`);
          return up?.data.result[0]?.value[1] === String(targets.length);
        },
      );
      const fired = await poll(
        FIRE_MS,
        () => server!.output,
        async () => {
          for (const caller of callers) await (await mesh.fetch(caller, 'http://orders/')).text();
          const alerts = await getJson<Alerts>(`${api}/alerts`);
          return alerts?.data.alerts.find(
            ({ labels, state }) => labels['alertname'] === 'WeftErrorBudgetBurnsFast' && state === 'firing',
          );
        },
      );
      assert.equal((fired as Alerts['data']['alerts'][0]).labels['destination'], 'default/orders');
    } finally {
      await server?.stop();
      await mesh.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

const noRetries = `
apiVersion: weft.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: plain, namespace: default}
spec:
  retries: {attempts: 0}
  circuitBreaker: {enabled: false}
  outlierDetection: {enabled: false}
`;

interface Answer {
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

interface Alerts {
  readonly data: {
    readonly alerts: readonly { readonly labels: Readonly<Record<string, string>>; readonly state: string }[];
  };
}

async function poll(timeoutMs: number, output: () => string, attempt: () => Promise<unknown>): Promise<unknown> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await attempt();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms; it said: ${output().slice(-800)}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** The sources that define metrics, as one text. */
function sourceTexts(): string {
  return ['packages/telemetry/src', 'packages/proxy/src', 'packages/control/src']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
        .map((name) => readFileSync(join(root, folder, name), 'utf8')),
    )
    .join('\n')
    .replaceAll('${OWN}', 'weft_metric_')
    .replaceAll('`', "'");
}
