import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Server, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ServerCertificate } from '@weft/identity';
import type { InjectionSettings } from '@weft/injection';
import type { Clock } from '@weft/kernel';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { Log } from '../log.ts';
import { type InjectionNote, type PodSecurity, answerInjection, answerValidation } from './admission-desk.ts';
import {
  type AdmissionAnswer,
  type AdmissionQuestion,
  readReview,
  reviewBodyBytes,
  writeReview,
} from './admission-review.ts';

export interface AdmissionServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  /** As they are now; undefined until the mesh's settings are known, and pods wait for a retry then. */
  readonly settings: () => InjectionSettings | undefined;
  readonly note: InjectionNote;
  readonly podSecurity: PodSecurity;
}

/** Of the API server's own time-out of 5 s; a body that takes longer is nobody's who waits for an answer. */
const REQUEST_MS = 4_000;
/**
 * API servers keep a connection for 90 s and do not send a question again whose connection was closed under it: the pod would be
 * refused. So they are the ones to close.
 */
const IDLE_MS = 120_000;
/** API servers keep a handful; each may be larger than most answers, so their number bounds memory too. */
const MOST_CONNECTIONS = 256;
const MOST_BODIES = 32;

/**
 * The webhooks: `POST /inject/namespace`, `/inject/pod` and `/validate` over HTTPS. Whoever reaches the port may ask, and gets
 * what any pod of the mesh sees; so bodies, connections and their number at once are bounded, and no answer changes anything.
 */
export class AdmissionServer {
  private readonly options: AdmissionServerOptions;
  private readonly server: Server;
  private readonly duration: Histogram;
  private readonly answers: Counter;
  private bodies: number;

  constructor(options: AdmissionServerOptions) {
    this.options = options;
    this.bodies = 0;
    this.duration = new Histogram({
      name: 'weft_control_admission_duration_seconds',
      help: 'From the end of a request of the API server to its answer.',
      labelNames: ['webhook'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5],
      registers: [options.registry],
    });
    this.answers = new Counter({
      name: 'weft_control_admission_answers_total',
      help: 'Answers to the API server: patched, unchanged, refused, or malformed questions.',
      labelNames: ['webhook', 'answer'],
      registers: [options.registry],
    });
    this.server = createServer(
      {
        minVersion: 'TLSv1.2',
        requestTimeout: REQUEST_MS,
        headersTimeout: REQUEST_MS,
        keepAliveTimeout: IDLE_MS,
        maxHeaderSize: 16_384,
      },
      (request, response) => this.take(request, response),
    );
    this.server.maxConnections = MOST_CONNECTIONS;
    // Connections that give up their handshake; the scanners of a cluster make many.
    this.server.on('tlsClientError', () => {});
  }

  /** The certificate for connections from now on. */
  serve({ certificatePem, keyPem }: ServerCertificate): void {
    this.server.setSecureContext({ cert: certificatePem, key: keyPem, minVersion: 'TLSv1.2' });
  }

  /** Rejects with the system's error; the port otherwise. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host: this.options.host, port: this.options.port }, () => {
        this.server.off('error', reject);
        resolve((this.server.address() as AddressInfo).port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeIdleConnections();
    });
  }

  private take(request: IncomingMessage, response: ServerResponse): void {
    const webhook = webhooks.get(request.url?.split('?')[0] ?? '');
    if (webhook === undefined || request.method !== 'POST')
      return refuse(request, response, 404, 'there are POST /inject/namespace, /inject/pod and /validate');
    if (this.bodies >= MOST_BODIES) return refuse(request, response, 503, 'too many questions at once');
    this.bodies += 1;
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > reviewBodyBytes) request.destroy();
      else chunks.push(chunk);
    });
    request.on('end', () => this.answer(webhook, Buffer.concat(chunks).toString('utf8'), response));
    request.on('error', () => {});
    response.on('close', () => void (this.bodies -= 1));
  }

  private answer(webhook: Webhook, body: string, response: ServerResponse): void {
    const { clock } = this.options;
    const startMs = clock.nowMs();
    const question = readReview(body);
    if (!question.ok) {
      this.answers.inc({ webhook, answer: 'malformed' });
      return send(response, 400, 'text/plain', `${question.error}\n`);
    }
    const answer = this.decide(webhook, question.value);
    if (answer === undefined) return send(response, 503, 'text/plain', 'the settings of the mesh are not known yet\n');
    send(response, 200, 'application/json', writeReview(question.value.uid, answer));
    this.answers.inc({ webhook, answer: wordOf(answer) });
    this.duration.observe({ webhook }, (clock.nowMs() - startMs) / 1_000);
  }

  private decide(webhook: Webhook, question: AdmissionQuestion): AdmissionAnswer | undefined {
    if (webhook === 'validate') return answerValidation(question);
    const { settings, note, podSecurity } = this.options;
    const now = settings();
    return now === undefined ? undefined : answerInjection(question, webhook, now, note, podSecurity);
  }
}

type Webhook = 'namespace' | 'pod' | 'validate';

const webhooks: ReadonlyMap<string, Webhook> = new Map([
  ['/inject/namespace', 'namespace'],
  ['/inject/pod', 'pod'],
  ['/validate', 'validate'],
]);

function wordOf({ allowed, patch }: AdmissionAnswer): string {
  if (!allowed) return 'refused';
  return patch.length > 0 ? 'patched' : 'unchanged';
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  request.resume();
  send(response, status, 'text/plain', `${text}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
