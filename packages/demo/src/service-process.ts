import { fileURLToPath } from 'node:url';
import { askJson } from './json-http.ts';
import type { ManagedProcess, ProcessSupervisor } from './process-supervisor.ts';

/** What a service counted of what reached it. */
export interface ServiceCounts {
  readonly instance: string;
  readonly requests: number;
  readonly answered: number;
  /** Most requests that were under way at the same time since the counts were last asked for. */
  readonly mostAtOnce: number;
  readonly connections: number;
  /** Received on the application's port. */
  readonly bytes: number;
  /** By the value of `weft-client-identity`; `(none)` without one. */
  readonly byIdentity: Readonly<Record<string, number>>;
  readonly byMethod: Readonly<Record<string, number>>;
  readonly faults: ServiceFaults;
}

/** What the front counted of its WebSocket. */
export interface WebSocketCounts {
  readonly opened: number;
  readonly messages: number;
  readonly bytes: number;
  readonly byIdentity: Readonly<Record<string, number>>;
}

/** What the gRPC service counted: `requests` are calls. */
export interface GrpcCounts extends ServiceCounts {
  /** Sent. */
  readonly messages: number;
  /** Calls that were given up by the caller's side. */
  readonly cancelled: number;
  /** What was left of the latest call's deadline when it came; 0 without one. */
  readonly leftMs: number;
}

export interface ServiceFaults {
  /** Before each answer. */
  readonly delayMs: number;
  /** The status of every answer; 0 answers as it should. */
  readonly status: number;
}

export interface ServiceSpec {
  /** `web` runs `services/web.mjs`. */
  readonly service: string;
  readonly instance: string;
  readonly version?: string;
  /** Of its sidecar: what `http_proxy` is set to. */
  readonly proxyPort: number;
  /** Where it listens; absent takes a free port. */
  readonly port?: number;
  /** Its own settings. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Path of a Python interpreter: runs the service's `.py` in place of its `.mjs`. */
  readonly python?: string;
}

/** A machine that does much else at the time starts programs slowly. */
const READY_MS = 60_000;

/** An ordinary program that knows nothing of Weft, and the second port on which it shows its counts. */
export class ServiceProcess {
  readonly instance: string;
  readonly port: number;
  readonly process: ManagedProcess;
  private readonly operationsPort: number;

  private constructor(process: ManagedProcess, ready: ReadyLine) {
    this.process = process;
    this.instance = ready.instance;
    this.port = ready.port;
    this.operationsPort = ready.operationsPort;
  }

  static start(supervisor: ProcessSupervisor, spec: ServiceSpec): Promise<ServiceProcess> {
    const { service, instance, version = '', proxyPort, port = 0, environment = {}, python } = spec;
    const proxy = `http://127.0.0.1:${proxyPort}`;
    const program = (ending: string): string =>
      fileURLToPath(new URL(`../services/${service}.${ending}`, import.meta.url));
    return new Promise((resolve, reject) => {
      const process = supervisor.start({
        name: instance,
        command: python ?? globalThis.process.execPath,
        args: [program(python === undefined ? 'mjs' : 'py')],
        environment: {
          ...environment,
          INSTANCE: instance,
          PORT: String(port),
          VERSION: version,
          http_proxy: proxy,
          HTTP_PROXY: proxy,
          NODE_USE_ENV_PROXY: '1',
          NO_PROXY: '127.0.0.1,localhost,::1',
          no_proxy: '127.0.0.1,localhost,::1',
        },
        onLine: (line) => {
          clearTimeout(timer);
          resolve(new ServiceProcess(process, JSON.parse(line) as ReadyLine));
        },
      });
      const timer = setTimeout(() => reject(new Error(`${instance} did not start in ${READY_MS / 1000} s`)), READY_MS);
      void process.ended.then(() => {
        clearTimeout(timer);
        reject(new Error(`${instance} ended: ${process.lastWords()}`));
      });
    });
  }

  /** The caller names what that program counts. */
  counts<Counts extends ServiceCounts = ServiceCounts>(): Promise<Counts> {
    return askJson<Counts>(this.operationsPort, '/');
  }

  /** Breaks the service, or heals it. `closeIdleAfterMs`: how long it keeps an idle connection. */
  set(faults: Partial<ServiceFaults> & { readonly closeIdleAfterMs?: number }): Promise<ServiceCounts> {
    return askJson<ServiceCounts>(this.operationsPort, '/', faults);
  }
}

interface ReadyLine {
  readonly instance: string;
  readonly port: number;
  readonly operationsPort: number;
}
