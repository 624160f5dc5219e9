import CircuitBreaker from 'opossum';
import { Agent, type Dispatcher, buildConnector } from 'undici';
import { type Result, fail, ok } from '@weft/kernel';
import type { ClusterAccess } from './cluster-access.ts';
import { JsonLines } from './json-lines.ts';
import { type KubeFault, readFault, unreachable } from './kube-fault.ts';
import { openTunnel } from './proxy-tunnel.ts';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
  /** `application/json` when absent. */
  readonly contentType?: string;
  readonly accept?: string;
}

/** One watch: its lines until it ends. */
export interface KubeStream {
  readonly events: AsyncIterable<unknown>;
  close(): void;
}

/** What the breaker did, for logs. */
export type BreakerState = 'open' | 'half-open' | 'closed';

export interface KubeClientOptions {
  readonly onBreaker?: (state: BreakerState) => void;
  /** Told of each request before it is sent. */
  readonly onCall?: (method: string, path: string) => void;
}

const JSON_TYPE = 'application/json';
const HEADERS_TIMEOUT_MS = 10_000;
const BODY_TIMEOUT_MS = 30_000;
/** More than the largest page of a list. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const BREAKER_RESET_MS = 5000;

/**
 * The API server over HTTP/2: all requests and watches of a process share a connection. Requests go through a breaker, so
 * that a server that is away costs nobody a timeout each; watches go past it, as they have a backoff of their own.
 */
export class KubeClient {
  readonly access: ClusterAccess;
  private agent: Agent;
  private readonly onCall: (method: string, path: string) => void;
  private readonly breaker: CircuitBreaker<[KubeRequest], Result<unknown, KubeFault>>;
  private readonly streams: Set<AbortController>;

  constructor(access: ClusterAccess, options: KubeClientOptions = {}) {
    this.access = access;
    this.agent = agentFor(access);
    this.onCall = options.onCall ?? ((): void => undefined);
    this.streams = new Set();
    this.breaker = new CircuitBreaker((request: KubeRequest) => this.send(request), {
      timeout: false,
      resetTimeout: BREAKER_RESET_MS,
      volumeThreshold: 5,
      rollingCountTimeout: 10_000,
      errorThresholdPercentage: 50,
    });
    const { onBreaker } = options;
    if (onBreaker !== undefined) {
      this.breaker.on('open', () => onBreaker('open'));
      this.breaker.on('halfOpen', () => onBreaker('half-open'));
      this.breaker.on('close', () => onBreaker('closed'));
    }
  }

  get(path: string, accept?: string): Promise<Result<unknown, KubeFault>> {
    return this.request({ method: 'GET', path, ...(accept === undefined ? {} : { accept }) });
  }

  /** The answer's JSON. Never rejects. */
  async request(request: KubeRequest): Promise<Result<unknown, KubeFault>> {
    try {
      return await this.breaker.fire(request);
    } catch (error) {
      return fail(error instanceof SendFault ? error.fault : unreachable(error));
    }
  }

  /** Opens a watch: `path` asks for one. Ends with an error when the connection breaks. Events past the caller's pace wait. */
  async watch(path: string, accept?: string): Promise<Result<KubeStream, KubeFault>> {
    const ended = new AbortController();
    let response: Dispatcher.ResponseData;
    try {
      response = await this.agent.request({
        ...this.options({ method: 'GET', path, ...(accept === undefined ? {} : { accept }) }),
        signal: ended.signal,
        // Silence is judged by the caller, who knows how often the server says that it lives.
        bodyTimeout: 0,
      });
    } catch (error) {
      this.judge(error);
      return fail(unreachable(error));
    }
    if (response.statusCode !== 200) return fail(await this.faultOf(response));
    this.streams.add(ended);
    const close = (): void => {
      this.streams.delete(ended);
      ended.abort();
    };
    return ok({ events: eventsOf(response.body, close), close });
  }

  /**
   * Gives the connection up and makes a new one on next use: for whoever saw that it is dead though nobody closed it. All
   * watches of it end.
   */
  reset(): void {
    const old = this.agent;
    this.agent = agentFor(this.access);
    void old.destroy();
  }

  /** Ends all watches; requests under way are cut. */
  async close(): Promise<void> {
    for (const stream of this.streams) stream.abort();
    this.streams.clear();
    this.breaker.shutdown();
    await this.agent.destroy();
  }

  /** A connection on which an answer did not come in time is not used again: a broken path would swallow every request. */
  private judge(error: unknown): void {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') this.reset();
  }

  /** Throws what is to count against the server; a refusal is an answer. */
  private async send(request: KubeRequest): Promise<Result<unknown, KubeFault>> {
    let response: Dispatcher.ResponseData;
    let text: string;
    try {
      response = await this.agent.request(this.options(request));
      text = await textOf(response);
    } catch (error) {
      this.judge(error);
      throw new SendFault(unreachable(error));
    }
    const body = readJson(text);
    if (response.statusCode >= 200 && response.statusCode < 300) return ok(body);
    const fault = readFault(response.statusCode, body, headerOf(response, 'retry-after'));
    if (response.statusCode >= 500) throw new SendFault(fault);
    return fail(fault);
  }

  private async faultOf(response: Dispatcher.ResponseData): Promise<KubeFault> {
    try {
      const text = await textOf(response);
      return readFault(response.statusCode, readJson(text), headerOf(response, 'retry-after'));
    } catch (error) {
      return unreachable(error);
    }
  }

  private options({ method, path, body, contentType = JSON_TYPE, accept = JSON_TYPE }: KubeRequest) {
    this.onCall(method, path);
    const token = this.access.token();
    return {
      origin: this.access.server,
      path: `${this.access.prefix ?? ''}${path}`,
      method,
      headers: {
        accept,
        'user-agent': 'weft',
        ...this.access.headers,
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': contentType }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
  }
}

function agentFor({ server, proxy, ca, certificate, key, serverName, skipVerify }: ClusterAccess): Agent {
  const allowH2 = server.startsWith('https:');
  const tls = {
    timeout: HEADERS_TIMEOUT_MS,
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(skipVerify === true ? { rejectUnauthorized: false } : {}),
  };
  return new Agent({
    allowH2,
    headersTimeout: HEADERS_TIMEOUT_MS,
    bodyTimeout: BODY_TIMEOUT_MS,
    keepAliveTimeout: 30_000,
    connect: proxy === undefined ? tls : connectorThrough(proxy, buildConnector({ ...tls, allowH2 })),
  });
}

/**
 * Not undici's `ProxyAgent`, which blames the proxy for a certificate of the server, and hides what the proxy answered; and
 * WebSockets take the same way.
 */
function connectorThrough(proxy: string, upgrade: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    openTunnel(proxy, options, (opened) => {
      if (!opened.ok) callback(new Error(opened.error), null);
      else if (options.protocol === 'https:') upgrade({ ...options, httpSocket: opened.value }, callback);
      else callback(null, opened.value);
    });
  };
}

class SendFault extends Error {
  readonly fault: KubeFault;

  constructor(fault: KubeFault) {
    super(fault.message);
    this.fault = fault;
  }
}

async function* eventsOf(body: AsyncIterable<Buffer>, close: () => void): AsyncGenerator<unknown> {
  const lines = new JsonLines();
  try {
    for await (const chunk of body) yield* lines.feed(chunk);
  } finally {
    close();
  }
}

async function textOf(response: Dispatcher.ResponseData): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response.body as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_BODY_BYTES) throw new Error(`an answer of more than ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts, length).toString('utf8');
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 200) };
  }
}

function headerOf(response: Dispatcher.ResponseData, name: string): string {
  const value = response.headers[name];
  return typeof value === 'string' ? value : '';
}
