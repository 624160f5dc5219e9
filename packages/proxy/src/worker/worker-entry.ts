import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { readTrustBundle, readWorkloadSvid } from '@weft/identity';
import type { TrustBundle, WorkloadSvid } from '@weft/identity';
import type { ResourceError } from '@weft/decision';
import { TimerWheel, assert, systemClock, systemRandom } from '@weft/kernel';
import { SpanBuffer } from '@weft/telemetry';
import type { LineTarget } from '@weft/telemetry';
import type { Log, LogFields } from '../log.ts';
import { ResourceStore } from '../resource-store.ts';
import { MeshTls } from '../security/mesh-tls.ts';
import { ServingThread } from '../serving-thread.ts';
import type {
  FromWorker,
  IdentityText,
  ToWorker,
  WorkerChanges,
  WorkerQuestion,
  WorkerStart,
} from './worker-message.ts';

/** How often the process hears how much is going on here. */
const LOAD_MS = 1_000;
/** Spans that wait for the next time; the oldest are dropped beyond it. */
const SPANS = 4_096;

/** Serves in this worker thread until the process above says stop. */
export async function startWorkerThread(): Promise<void> {
  const start = workerData as Partial<WorkerStart> | null;
  assert(parentPort !== null && start?.weftWorker === true, 'a worker is started by a proxy');
  await new WorkerThread(parentPort, start as WorkerStart).start();
}

class WorkerThread {
  private readonly port: MessagePort;
  private readonly begin: WorkerStart;
  private readonly wheel: TimerWheel;
  private readonly lines: PostedLines;
  private readonly serving: ServingThread;
  private readonly store: ResourceStore;
  private readonly tls: MeshTls;
  private readonly spans: SpanBuffer | null;

  constructor(port: MessagePort, begin: WorkerStart) {
    this.port = port;
    this.begin = begin;
    this.wheel = new TimerWheel(systemClock);
    this.wheel.start();
    this.lines = new PostedLines(port);
    this.store = new ResourceStore(new Map(begin.resources));
    const { svid, bundle } = readIdentity(begin.identity);
    this.tls = new MeshTls(svid, bundle, systemClock, begin.identity.keyAgreement);
    const { sampledPerMillion } = begin;
    this.spans = sampledPerMillion === undefined ? null : new SpanBuffer(SPANS);
    this.serving = new ServingThread(begin.settings, {
      clock: systemClock,
      random: systemRandom,
      wheel: this.wheel,
      log: postedLog(port),
      lines: this.lines,
      ...(this.spans === null ? {} : { tracing: { sink: this.spans, sampledPerMillion: sampledPerMillion! } }),
      onDemand: (key) => this.post({ type: 'demand', key }),
      onTapped: (tapped) => this.post({ type: 'tapped', tapped }),
    });
  }

  async start(): Promise<void> {
    this.serving.useIdentity(this.tls);
    await this.serving.restore(this.store.resources);
    for (const { plan, port } of this.begin.listeners) await this.serving.listen(plan, port);
    this.port.on('message', (message: ToWorker) => this.hear(message));
    this.post({ type: 'up', inForce: this.serving.inForce });
    this.loadLater();
  }

  private hear(message: ToWorker): void {
    const { serving } = this;
    if (message.type === 'ask') void this.answer(message.id, message.question);
    else if (message.type === 'identity') this.renew(message.identity);
    else if (message.type === 'missing') serving.missing(message.keys);
    else if (message.type === 'close') serving.close(message.name);
    else if (message.type === 'leave') serving.leave(message.scope);
    else if (message.type === 'drain') serving.drain(message.scope);
    else if (message.type === 'close-idle') serving.closeIdle(message.scope);
    else if (message.type === 'tap') serving.tap(message.tap);
    else if (message.type === 'close-taps') serving.closeTaps();
    else if (message.type === 'written') this.lines.written(message.fault);
    else void this.stop();
  }

  private async answer(id: number, question: WorkerQuestion): Promise<void> {
    try {
      const value = await this.find(question);
      this.post({ type: 'answer', id, value, inForce: question.type === 'apply' ? this.serving.inForce : null });
    } catch (error) {
      const { code = '', message, port = 0 } = error as NodeJS.ErrnoException & { port?: number };
      this.post({ type: 'fault', id, code, message, port });
    }
  }

  private find(question: WorkerQuestion): Promise<unknown> {
    const { serving } = this;
    if (question.type === 'apply') return this.apply(question.changes);
    if (question.type === 'listen') return serving.listen(question.listener.plan, question.listener.port);
    if (question.type === 'busy') return serving.countBusy(question.scope);
    if (question.type === 'destinations') return serving.readDestinations();
    if (question.type === 'edges') return serving.takeEdges();
    if (question.type === 'request') return serving.findRequest(question.request);
    return serving.readMetrics();
  }

  /** The errors, as the process above would have found them itself. */
  private async apply(changes: WorkerChanges): Promise<readonly ResourceError[]> {
    const whole = { removed: changes.removed, upserted: changes.upserted.map((each) => ({ ...each, previous: null })) };
    const result = await this.store.change(whole, (next) => this.serving.apply(whole, next), systemClock.wallMs());
    return result.errors.map(({ key, message }) => ({ key, message }));
  }

  private renew(text: IdentityText): void {
    const { svid, bundle } = readIdentity(text);
    this.tls.update(svid, bundle);
  }

  private loadLater(): void {
    this.wheel.schedule(LOAD_MS, () => {
      this.post({ type: 'load', load: this.serving.load, used: [...this.serving.takeUsed()] });
      const spans = this.spans?.take() ?? [];
      if (spans.length > 0) this.post({ type: 'spans', spans });
      this.loadLater();
    });
  }

  private async stop(): Promise<void> {
    await this.serving.destroy();
    this.wheel.stop();
    this.port.close();
  }

  private post(message: FromWorker): void {
    this.port.postMessage(message);
  }
}

/** Access log lines go out through one writer, so that lines of two threads are never mixed within. */
class PostedLines implements LineTarget {
  private readonly port: MessagePort;
  private done: ((error: Error | undefined) => void) | null;

  constructor(port: MessagePort) {
    this.port = port;
    this.done = null;
  }

  write(text: string, done: (error: Error | undefined) => void): void {
    this.done = done;
    this.port.postMessage({ type: 'lines', text } satisfies FromWorker);
  }

  written(fault: string): void {
    const { done } = this;
    this.done = null;
    done?.(fault === '' ? undefined : new Error(fault));
  }
}

function postedLog(port: MessagePort): Log {
  const write = (level: Extract<FromWorker, { type: 'log' }>['level']) => (message: string, fields?: LogFields) => {
    port.postMessage({ type: 'log', level, message, fields } satisfies FromWorker);
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}

function readIdentity(text: IdentityText): { svid: WorkloadSvid; bundle: TrustBundle } {
  const svid = readWorkloadSvid(text.keyPem, text.certificatesPem);
  const bundle = readTrustBundle(text.rootsPem, text.trustDomain, text.aliases);
  // The process above has read and verified both.
  assert(svid.ok && bundle.ok, 'an identity survives the way to a worker');
  return { svid: svid.value, bundle: bundle.value };
}
