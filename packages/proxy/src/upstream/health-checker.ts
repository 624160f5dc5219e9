import type { Socket } from 'node:net';
import type { EndpointState } from '@weft/balance';
import type { BackendState } from '@weft/decision';
import type { Timer } from '@weft/kernel';
import type { HealthCheckPolicy } from '@weft/model';
import { Dial } from '../transport/dial.ts';
import type { PoolEnvironment } from './connection-pool.ts';

/** Checks of one endpoint are spread over the first interval by this share of it at least. */
const FIRST_CHECK_SHARE = 0.1;

interface Check {
  readonly backend: BackendState;
  readonly endpoint: EndpointState;
  readonly timer: Timer;
  running: boolean;
}

/**
 * Dials the active health checks that policies ask for. A check takes the way a request takes (mesh TLS where the endpoint
 * is in the mesh) on a connection of its own, so that it says whether a new caller would be served.
 */
export class HealthChecker {
  private readonly environment: PoolEnvironment;
  private readonly backends: () => Iterable<BackendState>;
  private readonly checks: Map<EndpointState, Check>;

  constructor(environment: PoolEnvironment, backends: () => Iterable<BackendState>) {
    this.environment = environment;
    this.backends = backends;
    this.checks = new Map();
  }

  /** Follows the configuration in force: starts checks that are new, ends those no longer asked for. */
  update(): void {
    const wanted = new Set<EndpointState>();
    for (const backend of this.backends()) {
      if (backend.policy.healthCheck === null) continue;
      for (const endpoint of backend.endpoints) {
        wanted.add(endpoint);
        if (!this.checks.has(endpoint)) this.begin(backend, endpoint, backend.policy.healthCheck);
      }
    }
    for (const [endpoint, check] of this.checks) {
      if (wanted.has(endpoint)) continue;
      check.timer.cancel();
      this.checks.delete(endpoint);
    }
  }

  stop(): void {
    for (const check of this.checks.values()) check.timer.cancel();
    this.checks.clear();
  }

  private begin(backend: BackendState, endpoint: EndpointState, policy: HealthCheckPolicy): void {
    const check: Check = {
      backend,
      endpoint,
      timer: this.environment.wheel.create(() => void this.run(check)),
      running: false,
    };
    this.checks.set(endpoint, check);
    check.timer.reschedule(policy.intervalMs * FIRST_CHECK_SHARE);
  }

  private async run(check: Check): Promise<void> {
    const policy = check.backend.policy.healthCheck;
    if (policy === null || check.running) return;
    check.running = true;
    const passed = await this.probe(check.backend, check.endpoint, policy).catch(() => false);
    check.running = false;
    if (this.checks.get(check.endpoint) !== check) return;
    check.backend.healthChecked(check.endpoint, this.environment.tick(), passed);
    check.timer.reschedule(policy.intervalMs);
  }

  private async probe(backend: BackendState, endpoint: EndpointState, policy: HealthCheckPolicy): Promise<boolean> {
    if (policy.type === 'Tcp') {
      const socket = await this.dial(endpoint, policy.timeoutMs);
      socket.destroy();
      return true;
    }
    const socket = await this.dial(endpoint, policy.timeoutMs);
    try {
      // A sidecar takes the check over HTTP/1.1 and asks its application in what that speaks.
      const { protocol } = backend.policy;
      const http2 = !endpoint.endpoint.mesh && (protocol === 'Http2' || protocol === 'Grpc');
      const { askStatus } = await import('./health-request.ts');
      const status = await askStatus(socket, endpoint.endpoint, policy, http2);
      return policy.statuses.some(({ from, to }) => status >= from && status <= to);
    } finally {
      socket.destroy();
    }
  }

  private dial(endpoint: EndpointState, timeoutMs: number): Promise<Socket> {
    const { address, port, identity, mesh } = endpoint.endpoint;
    const tls = mesh ? this.environment.dialHttp1() : null;
    return new Promise((resolve, reject) => {
      if (mesh && tls === null) {
        reject(new Error('no identity yet'));
        return;
      }
      const target = { address, port, identity: mesh ? identity : '', door: null };
      const observer = {
        onDialed: (socket: Socket) => {
          socket.on('error', () => {});
          resolve(socket);
        },
        onDialFailed: (_code: string, detail: string) => reject(new Error(detail)),
      };
      // The dial keeps itself alive until it has called the observer.
      void new Dial(target, tls, this.environment.wheel, this.environment.now, timeoutMs, observer);
    });
  }
}
