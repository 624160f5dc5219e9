import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { drainKeyHeader, probePathPrefix } from '@weft/injection';
import type { ProbeAnswer } from './application-health.ts';

/** What the outside may ask a proxy. Values are plain data, written as JSON. */
export interface AdminPort {
  /** Empty when ready; else why not. */
  notReady(): string;
  /** May be a promise. */
  stats(): unknown;
  config(): unknown;
  metrics(accept: string | undefined): MetricsText | Promise<MetricsText>;
  drain(): void;
  /** Resolves when callers know that this instance goes, or need not be waited for. */
  announceDrain(): Promise<void>;
  /** Makes a probe of the kubelet at the application; `path` begins with `/app-health/`. */
  probe(path: string): Promise<ProbeAnswer>;
  /** False when the word is no level. */
  setLogLevel(level: string): boolean;
}

/** A scrape's answer, in parts that are written one after the other. */
export interface MetricsText {
  readonly contentType: string;
  readonly parts: Iterable<string | Uint8Array>;
}

export interface AdminAddresses {
  /** Loopback port of `/stats` and `/ready`; 0 takes a free one, -1 opens none. */
  readonly statsPort: number;
  /** Port of `/metrics`, `/ready`, `/live`, `/app-health/` and `/drain/wait`; 0 takes a free one, -1 opens none. */
  readonly metricsPort: number;
  readonly metricsHost: string;
  /** What `/drain/wait` must be asked with: the port is open to the whole network, a drain is not. Empty: it is not served. */
  readonly drainKey: string;
  /** UNIX socket, mode 0600, of everything that changes or shows much; empty opens none. */
  readonly socketPath: string;
}

const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * The proxy's own interfaces. The application beside the proxy is not trusted: what changes anything, or shows the
 * configuration, is on a UNIX socket that only this user opens; what is on TCP is read-only, answers to loopback names
 * only (a web page cannot reach it under another name), and refuses pages of other sites.
 */
export class AdminServer {
  statsPort: number;
  metricsPort: number;
  private readonly port: AdminPort;
  private readonly addresses: AdminAddresses;
  private readonly servers: Server[];

  constructor(port: AdminPort, addresses: AdminAddresses) {
    this.port = port;
    this.addresses = addresses;
    this.statsPort = 0;
    this.metricsPort = 0;
    this.servers = [];
  }

  /** Rejects with the system's error when an address is taken, or with one line for a person when the socket is not ours. */
  async listen(): Promise<void> {
    const { statsPort, metricsPort, metricsHost, socketPath } = this.addresses;
    if (statsPort >= 0) {
      const server = await this.open((request, response) => this.serveStats(request, response), {
        host: '127.0.0.1',
        port: statsPort,
      });
      this.statsPort = (server.address() as AddressInfo).port;
    }
    if (metricsPort >= 0) {
      const server = await this.open((request, response) => void this.serveMetrics(request, response), {
        host: metricsHost,
        port: metricsPort,
      });
      this.metricsPort = (server.address() as AddressInfo).port;
    }
    if (socketPath !== '') {
      await clearPath(socketPath);
      // The folder is 0700 already; the mode says it again for whoever moves the socket.
      await this.open((request, response) => this.serveSocket(request, response), { path: socketPath });
      chmodSync(socketPath, 0o600);
    }
  }

  async close(): Promise<void> {
    const closed = this.servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    );
    // The socket goes with its server; one that `listen` refused to take is left alone.
    await Promise.all(closed);
  }

  private async open(
    serve: (request: IncomingMessage, response: ServerResponse) => void,
    where: { host: string; port: number } | { path: string },
  ): Promise<Server> {
    // Not imported: Node makes a binding for each export then, and two of them load the fetch client it brings along,
    // which nobody here calls: 40 ms at start and 16 MB.
    const { createServer } = process.getBuiltinModule('node:http');
    const server = createServer({ keepAliveTimeout: 30_000 }, serve);
    this.servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(where, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    return server;
  }

  private serveStats(request: IncomingMessage, response: ServerResponse): void {
    if (!isLoopbackHost(request.headers.host) || request.headers.origin !== undefined) {
      send(response, 403, 'only for programs on this machine, by a loopback name\n');
      return;
    }
    if (request.method !== 'GET') {
      send(response, 405, 'GET only; what changes anything is on the UNIX socket\n');
      return;
    }
    if (request.url === '/stats') void this.sendStats(response);
    else if (request.url === '/ready') this.sendReady(response);
    else send(response, 404, 'there are /stats and /ready\n');
  }

  private async serveMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'GET' || request.headers.origin !== undefined) {
      send(response, 405, 'GET only\n');
      return;
    }
    if (request.url === '/ready') this.sendReady(response);
    else if (request.url === '/live') send(response, 200, 'live\n');
    else if (request.url === '/metrics') await this.sendMetrics(request, response);
    else if (request.url === '/drain/wait') await this.waitForDrain(request, response);
    else if (request.url?.startsWith(probePathPrefix) === true) {
      const { status, text } = await this.port.probe(request.url);
      send(response, status, `${text}\n`);
    } else send(response, 404, 'there are /metrics, /ready, /live, /app-health/... and /drain/wait\n');
  }

  private async waitForDrain(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!isSame(request.headers[drainKeyHeader], this.addresses.drainKey)) {
      send(response, 403, 'only for the kubelet, with the key that the injector put into the pod\n');
      return;
    }
    await this.port.announceDrain();
    send(response, 200, 'callers know\n');
  }

  private async sendMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { contentType, parts } = await this.port.metrics(request.headers.accept);
    response.writeHead(200, { 'content-type': contentType });
    for (const part of parts) {
      if (response.destroyed) return;
      if (part.length > 0) response.write(part);
      // Requests are served between the parts of a long scrape.
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
    response.end();
  }

  private serveSocket(request: IncomingMessage, response: ServerResponse): void {
    const route = `${request.method} ${request.url}`;
    if (route === 'GET /config') sendJson(response, this.port.config());
    else if (route === 'GET /stats') void this.sendStats(response);
    else if (route === 'GET /ready') this.sendReady(response);
    else if (route === 'POST /drain') {
      this.port.drain();
      send(response, 202, 'draining\n');
    } else if (request.method === 'PUT' && request.url?.startsWith('/log-level/') === true) {
      const level = request.url.slice('/log-level/'.length);
      if (this.port.setLogLevel(level)) send(response, 200, `log level is ${level}\n`);
      else send(response, 400, 'a level is one of debug, info, warn, error\n');
    } else send(response, 404, 'there are GET /config, GET /stats, GET /ready, POST /drain, PUT /log-level/LEVEL\n');
    request.resume();
  }

  private async sendStats(response: ServerResponse): Promise<void> {
    sendJson(response, await this.port.stats());
  }

  private sendReady(response: ServerResponse): void {
    const why = this.port.notReady();
    if (why === '') send(response, 200, 'ready\n');
    else send(response, 503, `not ready: ${why}\n`);
  }
}

/** In constant time: a key is not to be guessed byte by byte. */
function isSame(given: string | string[] | undefined, key: string): boolean {
  if (key === '' || typeof given !== 'string') return false;
  const [left, right] = [given, key].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(left!, right!);
}

function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined && LOOPBACK_HOSTS.has(host.replace(/:\d+$/, ''));
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
  response.end(text);
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' });
  response.end(`${JSON.stringify(value)}\n`);
}

/** Makes room for a socket: one that a process left behind when it ended is removed, anything else is refused. */
async function clearPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} is there already and is no socket; choose another path`);
  if (await isServed(path)) throw new Error(`${path} is served by another process already; choose another path`);
  rmSync(path, { force: true });
}

/** False only when nobody listens: a process that is busy, or another user's, serves too. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
