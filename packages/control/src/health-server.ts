import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

const LOOPBACK = '127.0.0.1';
const LOCAL_HOSTS = new Set(['127.0.0.1', 'localhost', '[::1]']);

/**
 * `/metrics`, `/ready` and `/live`. On loopback `Host` is checked: a web page that had its name point here finds nothing. Any
 * other address is for machines that ask by address, such as the kubelet and Prometheus.
 */
export class HealthServer {
  private readonly registry: Registry;
  private readonly notReady: () => string;
  private readonly server: Server;
  private isLocal: boolean;

  /** `notReady` says in one line what is missing; empty when nothing is. */
  constructor(registry: Registry, notReady: () => string) {
    this.registry = registry;
    this.notReady = notReady;
    this.isLocal = true;
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  /** Binds; 0 takes a free port. Rejects when the port is taken. */
  listen(port: number, host: string = LOOPBACK): Promise<number> {
    this.isLocal = host === LOOPBACK;
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port }, () => {
        this.server.off('error', reject);
        resolve((this.server.address() as AddressInfo).port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const host = (request.headers.host ?? '').replace(/:\d+$/, '');
    if (this.isLocal && !LOCAL_HOSTS.has(host)) return reply(response, 421, 'this server is for loopback only\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') return reply(response, 405, 'GET only\n');
    switch (request.url?.split('?')[0]) {
      case '/metrics':
        return reply(response, 200, await this.registry.metrics(), this.registry.contentType);
      case '/ready': {
        const missing = this.notReady();
        return missing === '' ? reply(response, 200, 'ready\n') : reply(response, 503, `${missing}\n`);
      }
      case '/live':
        return reply(response, 200, 'live\n');
      default:
        return reply(response, 404, 'try /metrics, /ready or /live\n');
    }
  }
}

function reply(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
