/**
 * The dashboard: static files, and a JSON API that only reads.
 *
 *   GET /api/v1/...        one document with an entity tag; 401 without the token, errors as {"error": "..."}
 *   GET /api/v1/tap?...    live requests, as server-sent events
 *   GET /anything-else     a file of the dashboard, or its page, whose addresses are deep links
 *
 * Pages ask again every few seconds and are told 304 when nothing is new. A stream for each document would hold a
 * connection, of which a browser has six for all its tabs.
 *
 * The token comes in `Authorization` and nowhere else: no cookie that another site could use, no address that a log could
 * keep. The page may load nothing but its own files, and nothing may frame it.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { Clock, Timer, TimerWheel } from '@weft/kernel';
import type { AdminService, CallFault, TapEvent } from '@weft/wire';
import type { TapJson } from '../observation/observation-json.ts';
import { type DocumentSources, findDocument } from './dashboard-documents.ts';
import type { FaultJson } from './dashboard-json.ts';
import type { DashboardToken } from './dashboard-token.ts';
import { DocumentCache } from './document-cache.ts';
import { type StaticFile, readStaticFiles } from './static-files.ts';
import { readTapQuery } from './tap-query.ts';

export interface DashboardServerOptions extends DocumentSources {
  readonly desk: DocumentSources['desk'] & Pick<AdminService, 'tap'>;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly token: DashboardToken;
  /** The built dashboard. */
  readonly folder: string;
}

/** Taps that are read at once. */
const MOST_STREAMS = 16;
const MOST_CONNECTIONS = 256;
/** A reader that is so far behind is told how much it has missed instead. */
const BEHIND_BYTES = 1 << 20;
/** Shorter ones fit a packet or two anyway. */
const WORTH_ZIPPING = 4_096;
const BEAT_MS = 15_000;
const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const NOT_BUILT = 'The dashboard is not built. Run: npm run build:dashboard\n';

const STATUS: Readonly<Partial<Record<CallFault['code'], number>>> = {
  NotFound: 404,
  InvalidArgument: 400,
  PermissionDenied: 403,
  Unavailable: 503,
  ResourceExhausted: 429,
  DeadlineExceeded: 504,
};

/** Scripts, styles and data of its own only; nothing inline, no frame, no form, no string that becomes markup. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  // One policy, for the address of the page's own worker.
  'trusted-types weft-worker',
].join('; ');

const GUARDS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

export class DashboardServer {
  private readonly options: DashboardServerOptions;
  private readonly server: Server;
  private readonly documents: DocumentCache;
  private readonly files: ReadonlyMap<string, StaticFile>;
  private readonly ends: Set<() => void>;
  private isLocal: boolean;

  constructor(options: DashboardServerOptions) {
    this.options = options;
    this.documents = new DocumentCache(options.clock);
    this.files = readStaticFiles(options.folder);
    this.ends = new Set();
    this.isLocal = true;
    this.server = createServer((request, response) => void this.answer(request, response));
    this.server.maxConnections = MOST_CONNECTIONS;
    this.server.requestTimeout = 10_000;
  }

  /** Binds; 0 takes a free port. Rejects when the port is taken. */
  listen(port: number, host: string): Promise<number> {
    this.isLocal = host === '127.0.0.1' || host === '::1' || host === 'localhost';
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port }, () => {
        this.server.off('error', reject);
        resolve((this.server.address() as AddressInfo).port);
      });
    });
  }

  close(): Promise<void> {
    for (const end of this.ends) end();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(GUARDS)) response.setHeader(name, value);
    const host = (request.headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
    // A web page that had its name point here finds nothing.
    if (this.isLocal && !LOOPBACK_HOSTS.has(host)) return fault(response, 421, 'this server is for loopback only');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return fault(response, 405, 'it can only be read');
    }
    const url = URL.parse(request.url ?? '/', 'http://dashboard');
    if (url === null) return fault(response, 400, 'the address is not well formed');
    if (url.pathname !== '/api' && !url.pathname.startsWith('/api/')) return this.file(request, response, url.pathname);
    const sight = this.options.token.sightOf(request.headers.authorization);
    if (sight === 'none') {
      response.setHeader('www-authenticate', 'Bearer');
      return fault(response, 401, 'the token is missing or wrong; weft dashboard shows the address with it');
    }
    if (sight === 'calm' && /^\/api\/v1\/(?:tap|why)(?:\/|$)/.test(url.pathname)) {
      return fault(response, 403, 'single requests are shown to whom the ClusterRole weft-tap is given');
    }
    if (url.pathname === '/api/v1/tap') return this.tap(response, url);
    const found = findDocument(url, this.options);
    if (!found.ok) return failed(response, found.error);
    const { refreshMs } = found.value;
    const read = await this.documents.read(`${url.pathname}${url.search}`, found.value);
    if (!read.ok) return failed(response, read.error);
    const { json, tag } = read.value;
    response.setHeader('etag', tag);
    // How soon it is worth asking again.
    response.setHeader('weft-refresh-ms', String(refreshMs));
    if (request.headers['if-none-match'] === tag) response.writeHead(304, { 'cache-control': 'no-store' }).end();
    else reply(response, 200, json, request);
  }

  private tap(response: ServerResponse, url: URL): void {
    const request = readTapQuery(url.searchParams);
    if (!request.ok) return failed(response, request.error);
    let refused: CallFault | null = null;
    let send: Send | null = null;
    let unsaid = 0;
    let end: () => void = () => undefined;
    const tapped = this.options.desk.tap(
      request.value,
      ({ proxy, requests, dropped, replicas }: TapEvent) => {
        const event: TapJson = { proxy, requests, dropped: dropped + unsaid, replicas };
        unsaid = send?.('tap', JSON.stringify(event)) === true ? 0 : unsaid + requests.length + dropped;
      },
      (ended) => {
        refused = ended;
        send?.('end', JSON.stringify({ error: ended?.message ?? '' } satisfies FaultJson));
        end();
      },
    );
    if (!tapped.ok) return failed(response, tapped.error);
    if (refused !== null) return failed(response, refused);
    end = this.stream(response, (say) => {
      send = say;
      return tapped.value;
    });
  }

  /** Opens a stream of events; `begin` gets the way to say something, and gives the way to end. */
  private stream(response: ServerResponse, begin: (send: Send) => () => void): () => void {
    if (this.ends.size >= MOST_STREAMS) {
      begin(() => false)();
      fault(response, 429, `${MOST_STREAMS} taps are open; end one of them first`);
      return () => undefined;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
    response.flushHeaders();
    let beat: Timer | null = null;
    const beats = (): void => {
      beat = this.options.wheel.schedule(BEAT_MS, () => {
        response.write(': still here\n\n');
        beats();
      });
    };
    beats();
    const send: Send = (event, data) => {
      if (response.writableLength > BEHIND_BYTES) return false;
      response.write(`event: ${event}\ndata: ${data}\n\n`);
      return true;
    };
    const leave = begin(send);
    const end = (): void => {
      if (!this.ends.delete(end)) return;
      beat?.cancel();
      leave();
      response.end();
    };
    this.ends.add(end);
    response.on('close', end);
    return end;
  }

  private file(request: IncomingMessage, response: ServerResponse, path: string): void {
    const isAsset = path.startsWith('/assets/');
    const found = this.files.get(path) ?? (isAsset ? undefined : this.files.get('/index.html'));
    if (found === undefined) {
      const isMissing = isAsset && this.files.size > 0;
      response.writeHead(isMissing ? 404 : 503, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(isMissing ? 'there is no such file\n' : NOT_BUILT);
      return;
    }
    const zips = acceptsGzip(request);
    const body = zips ? found.gzipped : found.plain;
    response.writeHead(200, {
      'content-type': found.type,
      'content-length': body.length,
      'cache-control': found.isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache',
      vary: 'accept-encoding',
      ...(zips ? { 'content-encoding': 'gzip' } : {}),
    });
    response.end(body);
  }
}

/** False when the reader is too far behind to be told now. */
type Send = (event: string, data: string) => boolean;

function failed(response: ServerResponse, { code, message }: CallFault): void {
  fault(response, STATUS[code] ?? 500, message);
}

function fault(response: ServerResponse, status: number, error: string): void {
  reply(response, status, JSON.stringify({ error } satisfies FaultJson));
}

function reply(response: ServerResponse, status: number, json: string, request?: IncomingMessage): void {
  const zips = json.length > WORTH_ZIPPING && request !== undefined && acceptsGzip(request);
  const body = zips ? gzipSync(json, { level: 1 }) : Buffer.from(json);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    'cache-control': 'no-store',
    ...(zips ? { 'content-encoding': 'gzip' } : {}),
  });
  response.end(body);
}

function acceptsGzip(request: IncomingMessage): boolean {
  return /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
}
