import { fileURLToPath } from 'node:url';
import type { ManagedProcess, ProcessSupervisor } from './process-supervisor.ts';

export interface LoadRun {
  /** Where requests are sent: an outbound port of a sidecar, or a gateway's port. */
  readonly proxyPort: number;
  readonly url: string;
  /** Requests per second. */
  readonly rate: number;
  /** Ends by itself after so many. */
  readonly limit?: number;
  readonly method?: string;
  readonly bodyBytes?: number;
  /** 0..1: how far gaps between requests stray from even. */
  readonly jitter?: number;
  /** Requests that leave at the same time each time one is due; 1 when absent. */
  readonly burst?: number;
}

export interface Quantiles {
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What the load generator saw. */
export interface LoadCounts {
  readonly elapsedMs: number;
  readonly sent: number;
  /** Whole answers below 500. */
  readonly ok: number;
  readonly failed: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** By the value of `weft-refused`. */
  readonly refused: Readonly<Record<string, number>>;
  /** By the answering instance. */
  readonly instances: Readonly<Record<string, number>>;
  readonly versions: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
  /** From the moment a request was due. */
  readonly latency: Quantiles;
  /** From the moment a request was sent. */
  readonly service: Quantiles;
  /** Of refused requests, from the moment they were sent. */
  readonly refusal: Quantiles;
}

const program = fileURLToPath(new URL('../services/load.mjs', import.meta.url));

/** The load generator's process, spoken to by lines. It counts by itself and knows nothing of Weft. */
export class LoadGenerator {
  readonly process: ManagedProcess;
  private readonly waiting: Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>;
  private nextCall: number;

  constructor(supervisor: ProcessSupervisor, name: string) {
    this.waiting = new Map();
    this.nextCall = 1;
    this.process = supervisor.start({
      name,
      command: process.execPath,
      args: [program],
      onLine: (line) => this.take(JSON.parse(line) as Answer),
    });
    void this.process.ended.then(() => {
      for (const { reject } of this.waiting.values()) reject(new Error('the load generator has ended'));
      this.waiting.clear();
    });
  }

  async start(run: string, load: LoadRun): Promise<void> {
    await this.ask('start', run, load);
  }

  /** What happened since the last call of this. */
  async window(run: string): Promise<LoadCounts> {
    return (await this.ask('window', run)).window!;
  }

  async read(run: string): Promise<LoadCounts> {
    return (await this.ask('read', run)).total!;
  }

  /** Stops a run without a limit; waits for every answer under way. */
  async finish(run: string): Promise<LoadCounts> {
    return (await this.ask('finish', run)).total!;
  }

  private ask(op: string, run: string, rest: object = {}): Promise<Answer> {
    if (!this.process.alive) return Promise.reject(new Error('the load generator has ended'));
    const call = this.nextCall;
    this.nextCall += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(call, { resolve, reject });
      this.process.write(JSON.stringify({ call, op, run, ...rest }));
    });
  }

  private take(answer: Answer): void {
    const waiting = this.waiting.get(answer.call ?? 0);
    if (waiting === undefined) return;
    this.waiting.delete(answer.call!);
    if (answer.error === undefined) waiting.resolve(answer);
    else waiting.reject(new Error(answer.error));
  }
}

interface Answer {
  readonly call?: number;
  readonly error?: string;
  readonly total?: LoadCounts;
  readonly window?: LoadCounts;
}
