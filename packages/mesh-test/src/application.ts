import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** Serves the requests of one instance, as `http.createServer` would call it. `instance` counts from 0. */
export type ApplicationHandler = (request: IncomingMessage, response: ServerResponse, instance: number) => void;

/** What a test does to an instance. */
export interface ApplicationFault {
  /** Answers with this in place of the handler; 0 leaves the answer to it. `reset` closes the connection instead. */
  readonly status: number | 'reset';
  /** Before the answer. */
  readonly delayMs: number;
}

const HEALTHY: ApplicationFault = { status: 0, delayMs: 0 };

/** One instance of an application: an HTTP server on a port of its own that knows nothing of the mesh. */
export class Application {
  requests: number;
  private fault: ApplicationFault;
  private readonly handler: ApplicationHandler;
  private readonly instance: number;
  private readonly server: Server;
  private readonly waiting: Set<NodeJS.Timeout>;

  private constructor(handler: ApplicationHandler, instance: number) {
    this.requests = 0;
    this.fault = HEALTHY;
    this.handler = handler;
    this.instance = instance;
    this.waiting = new Set();
    this.server = createServer((request, response) => this.serve(request, response));
  }

  static async start(handler: ApplicationHandler, instance: number): Promise<Application> {
    const application = new Application(handler, instance);
    await new Promise<void>((resolve, reject) => {
      application.server.once('error', reject);
      application.server.listen(0, '127.0.0.1', resolve);
    });
    return application;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** From the next request on. */
  suffer(fault: Partial<ApplicationFault>): void {
    this.fault = { ...this.fault, ...fault };
  }

  heal(): void {
    this.fault = HEALTHY;
  }

  stop(): Promise<void> {
    for (const timer of this.waiting) clearTimeout(timer);
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    this.requests += 1;
    const { delayMs, status } = this.fault;
    if (delayMs === 0) {
      this.answer(request, response, status);
      return;
    }
    const timer = setTimeout(() => {
      this.waiting.delete(timer);
      this.answer(request, response, status);
    }, delayMs);
    this.waiting.add(timer);
  }

  private answer(request: IncomingMessage, response: ServerResponse, status: number | 'reset'): void {
    if (status === 0) {
      this.handler(request, response, this.instance);
      return;
    }
    request.resume();
    if (status === 'reset') (request.socket as Socket).resetAndDestroy();
    else response.writeHead(status).end();
  }
}
