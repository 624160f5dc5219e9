/** Real receivers of telemetry, as a machine may have them: found, or built by their ordinary clients into the user's cache. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const JAEGER_MODULE = 'github.com/jaegertracing/jaeger@v1.76.0';
const ZIPKIN_VERSION = '3.6.1';
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft-receivers');
const BUILD_MS = 1_200_000;

/** A path, or what is missing and how to get it. */
export type Tool = { readonly path: string } | { readonly missing: string };

/** Of Debian's packages and the like: in the `PATH`, or not. */
export function findProgram(name: string, debianPackage: string): Tool {
  const found = spawnSync('sh', ['-c', `command -v ${name} || command -v /usr/sbin/${name}`], { encoding: 'utf8' });
  const path = found.stdout.trim();
  return path === '' ? { missing: `no ${name}: apt-get install ${debianPackage}` } : { path };
}

/** Jaeger all-in-one. Built once, from the module; its replace directives keep `go install` from doing it. */
export function findJaeger(): Tool {
  const given = process.env['WEFT_JAEGER'] ?? join(cache, 'jaeger');
  if (existsSync(given)) return { path: given };
  const go = findProgram('go', 'golang-go');
  if ('missing' in go) return { missing: `no Jaeger: WEFT_JAEGER names none and it cannot be built, ${go.missing}` };
  const listed = spawnSync(go.path, ['mod', 'download', '-json', JAEGER_MODULE], { encoding: 'utf8', cwd: tmpdir() });
  const folder = listed.status === 0 ? (JSON.parse(listed.stdout) as { Dir?: string }).Dir : undefined;
  if (folder === undefined) return { missing: `no Jaeger: ${JAEGER_MODULE} could not be downloaded` };
  mkdirSync(cache, { recursive: true });
  const source = mkdtempSync(join(tmpdir(), 'weft-jaeger-'));
  cpSync(folder, source, { recursive: true });
  spawnSync('chmod', ['-R', 'u+w', source]);
  const built = spawnSync(go.path, ['build', '-trimpath', '-o', given, './cmd/all-in-one'], {
    cwd: source,
    encoding: 'utf8',
    timeout: BUILD_MS,
  });
  return built.status === 0 ? { path: given } : { missing: `no Jaeger: ${built.stderr.slice(-300)}` };
}

/** OpenTelemetry's collector with what a test needs of it, made by its own builder. Versions of one release. */
export function findCollector(): Tool {
  const given = process.env['WEFT_OTELCOL'] ?? join(cache, 'otelcol');
  if (existsSync(given)) return { path: given };
  const go = findProgram('go', 'golang-go');
  if ('missing' in go)
    return { missing: `no collector: WEFT_OTELCOL names none and it cannot be built, ${go.missing}` };
  const folder = mkdtempSync(join(tmpdir(), 'weft-otelcol-'));
  writeFileSync(join(folder, 'manifest.yaml'), COLLECTOR);
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-buildvcs=false' };
  const run = (command: string, args: readonly string[]): string | undefined => {
    const { status, stderr } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8', timeout: BUILD_MS });
    return status === 0 ? undefined : stderr.slice(-300);
  };
  const fault =
    run(go.path, ['install', COLLECTOR_BUILDER]) ?? run(join(folder, 'builder'), ['--config', 'manifest.yaml']);
  if (fault !== undefined) return { missing: `no collector: ${fault}` };
  mkdirSync(cache, { recursive: true });
  cpSync(join(folder, 'out', 'otelcol'), given);
  return { path: given };
}

const COLLECTOR_BUILDER = 'go.opentelemetry.io/collector/cmd/builder@v0.140.0';
const COLLECTOR = `
dist: {name: otelcol, output_path: ./out, module: weft.test/otelcol}
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v0.140.0
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v0.140.0
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.46.0
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v1.46.0
`;

/** Zipkin's server as one jar. */
export function findZipkin(): Tool {
  const java = findProgram('java', 'openjdk-17-jre-headless');
  if ('missing' in java) return java;
  const folder = join(homedir(), '.m2/repository/io/zipkin/zipkin-server', ZIPKIN_VERSION);
  const jar = join(folder, `zipkin-server-${ZIPKIN_VERSION}-exec.jar`);
  if (existsSync(jar)) return { path: jar };
  const maven = findProgram('mvn', 'maven');
  if ('missing' in maven) return { missing: `no Zipkin: ${maven.missing}` };
  const artifact = `-Dartifact=io.zipkin:zipkin-server:${ZIPKIN_VERSION}:jar:exec`;
  spawnSync(maven.path, ['-q', 'dependency:get', artifact, '-Dtransitive=false'], { timeout: BUILD_MS });
  return existsSync(jar) ? { path: jar } : { missing: `no Zipkin: Maven did not bring ${artifact}` };
}

/** What a test says when it skips; undefined when nothing is missing. */
export function missing(...tools: readonly Tool[]): string | undefined {
  return tools.map((tool) => ('missing' in tool ? tool.missing : '')).find((text) => text !== '');
}

/** A program that runs until `stop`. */
export class Receiver {
  output: string;
  private readonly child: ChildProcess;

  constructor(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.output = '';
    this.child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer): void => {
      this.output = (this.output + chunk.toString()).slice(-8_192);
    };
    this.child.stdout!.on('data', keep);
    this.child.stderr!.on('data', keep);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.hasEnded) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await ended;
  }
}

/** Jaeger in memory: where it takes OTLP by each protocol, and where it is asked. */
export async function startJaeger(
  path: string,
): Promise<{ readonly receiver: Receiver; readonly grpc: number; readonly http: number; readonly api: string }> {
  const [grpc, http, query, queryGrpc, collect, collectHttp, admin] = (await freePorts(7)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const receiver = new Receiver(
    path,
    [
      `--collector.otlp.grpc.host-port=127.0.0.1:${grpc}`,
      `--collector.otlp.http.host-port=127.0.0.1:${http}`,
      `--query.http-server.host-port=127.0.0.1:${query}`,
      `--query.grpc-server.host-port=127.0.0.1:${queryGrpc}`,
      `--collector.grpc-server.host-port=127.0.0.1:${collect}`,
      `--collector.http-server.host-port=127.0.0.1:${collectHttp}`,
      `--admin.http.host-port=127.0.0.1:${admin}`,
    ],
    { SPAN_STORAGE_TYPE: 'memory' },
  );
  return { receiver, grpc, http, api: `http://127.0.0.1:${query}/api` };
}

/** Ports that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** JSON of a GET; undefined while nobody answers it with a success. */
export async function getJson<T>(url: string): Promise<T | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(3_000) });
    return response.ok ? ((await response.json()) as T) : undefined;
  } catch {
    return undefined;
  }
}
