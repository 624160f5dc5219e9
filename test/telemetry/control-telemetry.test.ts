/** The control plane's own spans and metrics, sent by a real process: to Jaeger, to a receiver of OTLP as JSON, and to nobody. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Receiver, findJaeger, freePorts, getJson, missing, startJaeger } from './receiver-tools.ts';

const program = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url));
const PATIENCE_MS = 60_000;

const service = (port: number): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: default}\nspec: {selector: {app: web}, ports: [{name: http, port: ${port}}]}\n`;

describe('the telemetry of a control plane', () => {
  it('tells Jaeger of a change and of the push that came of it in one trace, and of certificates', async (context) => {
    const tool = findJaeger();
    const reason = missing(tool);
    if (reason !== undefined) return context.skip(reason);
    const { receiver: jaeger, grpc, http, api } = await startJaeger((tool as { path: string }).path);
    context.after(() => jaeger.stop());
    await eventually(() => getJson(`${api}/services`), jaeger);
    for (const target of [`http://127.0.0.1:${http}`, `otlp-grpc://127.0.0.1:${grpc}`]) {
      const mesh = await startMesh(context, ['--otlp', target], {});
      await mesh.changeOnce();
      const pushed = await eventually(async () => {
        const found = await getJson<JaegerTraces>(`${api}/traces?service=weft-control&lookback=1h&limit=500`);
        const own = found?.data.filter(({ processes }) => Object.values(processes).some(isOf(mesh.name)));
        const isKnown = own?.some(({ spans }) => spans.some(({ operationName }) => operationName === 'certificate'));
        const push = own?.find(({ spans }) => spans.some(isPushToOne));
        return isKnown === true ? push : undefined;
      }, jaeger);
      const [cause, effect] = ['configuration', 'push'].map((name) =>
        pushed.spans.find(({ operationName }) => operationName === name),
      );
      assert.ok(cause !== undefined && effect !== undefined);
      assert.equal(effect.references[0]?.spanID, cause.spanID);
      assert.equal(tagOf(effect, 'weft.push.acknowledged'), 1);
      assert.ok(effect.duration > 0);
      await mesh.stop();
    }
  });

  it('is told by the variables of OpenTelemetry, metrics too, under the name they give', async (context) => {
    const taken: { path: string; body: string }[] = [];
    const server = createServer((request, response) => {
      void textOf(request).then((body) => {
        taken.push({ path: request.url ?? '', body });
        response.setHeader('content-type', 'application/json').end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    context.after(() => server.close());
    const mesh = await startMesh(context, [], {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_METRIC_EXPORT_INTERVAL: '500',
      OTEL_METRIC_EXPORT_TIMEOUT: '400',
      OTEL_BSP_SCHEDULE_DELAY: '300',
      OTEL_SERVICE_NAME: 'mesh-brain',
    });
    await mesh.changeOnce();
    const metrics = await eventually(() => {
      const all = taken.filter(({ path }) => path === '/v1/metrics').flatMap(({ body }) => metricsOf(body));
      return Promise.resolve(all.some(({ name }) => name === 'weft.control.push.duration') ? all : undefined);
    }, mesh.control);
    const last = (name: string): Metric => metrics.findLast((metric) => metric.name === name)!;
    const push = last('weft.control.push.duration').histogram!.dataPoints[0]!;
    assert.ok(Number(push.count) >= 1 && push.sum > 0 && push.sum < 60);
    assert.equal(last('weft.control.push.duration').unit, 's');
    const sessions = last('weft.control.sessions').gauge!.dataPoints[0]!;
    assert.equal(Number(sessions.asInt ?? sessions.asDouble), 1);
    assert.ok(Number(last('weft.control.certificate.duration').histogram!.dataPoints[0]!.count) >= 1);
    for (const name of ['weft.control.queue.pushes', 'weft.control.transactions', 'weft.control.acknowledgements']) {
      assert.ok(last(name) !== undefined, name);
    }
    await eventually(() => {
      const told = taken.some(({ path, body }) => path === '/v1/traces' && body.includes('"push"'));
      return Promise.resolve(told || undefined);
    }, mesh.control);
    assert.ok(taken.every(({ body }) => body.includes('mesh-brain')));
    await mesh.stop();
  });

  it('is one line in the log when nobody takes it, and changes go on', async (context) => {
    const [port] = await freePorts(1);
    const mesh = await startMesh(context, ['--otlp', `http://127.0.0.1:${port}`], {});
    await mesh.changeOnce();
    await eventually(() => Promise.resolve(/not delivered/.test(mesh.control.output) || undefined), mesh.control);
    for (let round = 0; round < 3; round += 1) {
      await mesh.changeOnce();
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    }
    assert.equal(mesh.control.output.split('not delivered').length - 1, 1, mesh.control.output);
    const startedMs = performance.now();
    await mesh.stop();
    assert.ok(performance.now() - startedMs < 10_000);
  });
});

interface Mesh {
  readonly name: string;
  readonly control: Receiver;
  /** Writes a change and waits until the one sidecar has it. */
  changeOnce(): Promise<void>;
  stop(): Promise<void>;
}

let meshes = 0;

/** A control plane and one sidecar, both processes. */
async function startMesh(
  context: TestContext,
  flags: readonly string[],
  variables: Readonly<Record<string, string>>,
): Promise<Mesh> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-telemetry-'));
  const config = join(folder, 'mesh');
  const socket = join(folder, 'c.sock');
  const name = `control-${(meshes += 1)}`;
  mkdirSync(config);
  writeFileSync(join(config, 'web.yaml'), service(80));
  const place = ['--config', config, '--state', join(folder, 'state'), '--admin-socket', socket];
  const ports = ['--port', '0', '--metrics-port', '-1', '--dashboard-port', '-1', '--log-format', 'json'];
  const control = new Receiver(process.execPath, [program, 'control', ...place, ...ports, '--name', name, ...flags], {
    TMPDIR: folder,
    ...variables,
  });
  await eventually(() => Promise.resolve(/Control plane on/.test(control.output) || undefined), control);
  const idle = [process.execPath, '-e', 'setInterval(() => 0, 1000)'];
  const run = ['run', '--admin-socket', socket, '--service', 'web', '--drain-deadline', '1s', '--', ...idle];
  const sidecar = new Receiver(process.execPath, [program, ...run], { TMPDIR: folder });
  let ended: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    ended ??= sidecar
      .stop()
      .then(() => control.stop())
      .then(() => rmSync(folder, { recursive: true, force: true }));
    return ended;
  };
  context.after(stop);
  await eventually(() => Promise.resolve(/proxy-connected/.test(control.output) || undefined), control);
  let port = 80;
  return {
    name,
    control,
    stop,
    changeOnce: async () => {
      port += 1;
      const seen = control.output.split('configuration-changed').length;
      writeFileSync(join(config, 'web.yaml'), service(port));
      await eventually(
        () => Promise.resolve(control.output.split('configuration-changed').length > seen || undefined),
        control,
      );
    },
  };
}

interface JaegerSpan {
  readonly spanID: string;
  readonly operationName: string;
  readonly duration: number;
  readonly references: readonly { readonly spanID: string }[];
  readonly tags: readonly { readonly key: string; readonly value: unknown }[];
}

interface JaegerTraces {
  readonly data: readonly {
    readonly spans: readonly JaegerSpan[];
    readonly processes: Readonly<Record<string, { readonly tags: readonly { key: string; value: unknown }[] }>>;
  }[];
}

function isOf(name: string) {
  return ({ tags }: { readonly tags: readonly { key: string; value: unknown }[] }): boolean =>
    tags.some(({ key, value }) => key === 'service.instance.id' && value === name);
}

function tagOf({ tags }: JaegerSpan, key: string): unknown {
  return tags.find((tag) => tag.key === key)?.value;
}

function isPushToOne(span: JaegerSpan): boolean {
  return span.operationName === 'push' && tagOf(span, 'weft.push.proxies') === 1 && span.references.length === 1;
}

interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly histogram?: { readonly dataPoints: readonly { readonly count: string | number; readonly sum: number }[] };
  readonly gauge?: { readonly dataPoints: readonly { readonly asInt?: string | number; readonly asDouble?: number }[] };
}

function metricsOf(body: string): Metric[] {
  const { resourceMetrics } = JSON.parse(body) as {
    resourceMetrics: readonly { scopeMetrics: readonly { metrics: readonly Metric[] }[] }[];
  };
  return resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += (chunk as Buffer).toString();
  return text;
}

async function eventually<T>(ask: () => Promise<T | undefined>, receiver: Receiver): Promise<T> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs || receiver.hasEnded)
      throw new Error(`nothing came; the process said: ${receiver.output}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
