/**
 * Replicas of the control plane among themselves. They find each other as pods of the same account and name, and take each other's
 * word by the one identity that nobody but a control plane is issued. What they say only sharpens what each sees for itself.
 */
import { type Result, type Timer, type TimerWheel, fail, ok } from '@weft/kernel';
import type { PodFacts } from '@weft/kube';
import type { WorkloadInstance } from '@weft/model';
import {
  type CallFault,
  type ClientTls,
  type PeerWhyRequest,
  type PeerWhyResponse,
  type TellRequest,
  type TellResponse,
  readTold,
  writeTold,
} from '@weft/wire';
import type { PodSource } from '../expected-instance.ts';
import type { InstanceBook } from '../instance-book.ts';
import type { Log } from '../log.ts';
import type { Acknowledged, ProxyRegistry } from '../proxy-registry.ts';
import type { ElsewhereAnswer } from '../observation/why-desk.ts';
import { PeerLink } from './peer-link.ts';

export interface PeerRoomOptions {
  /** Name of our own pod, and its namespace. */
  readonly replica: string;
  readonly namespace: string;
  readonly pods: PodSource;
  readonly book: InstanceBook;
  readonly registry: ProxyRegistry;
  /** TLS towards other replicas, and the identity that they and we have. */
  readonly tls: () => ClientTls;
  readonly identity: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
}

const NAME_LABEL = 'app.kubernetes.io/name';
/** After a replica is gone its sidecars come to another one; until then its word stands. */
const GONE_MS = 10_000;
/** An answer of another replica is on its way for so long. */
const RETURN_MS = 50;
/** A replica that starts waits so long for what the others know. */
const GREET_MS = 2000;

export class PeerRoom {
  private readonly options: PeerRoomOptions;
  private readonly links: Map<string, PeerLink>;
  /** Replicas that told us something, and when that is forgotten where their pod is gone. */
  private readonly speakers: Map<string, Timer | null>;
  private port: number;

  constructor(options: PeerRoomOptions) {
    this.options = options;
    this.links = new Map();
    this.speakers = new Map();
    this.port = 0;
    options.book.onOwn = (workload) => {
      for (const link of this.links.values()) link.changed(workload);
    };
  }

  /** Connects to the others; resolves when each has said what it knows, or after two seconds. All listen on one port. */
  async begin(port: number): Promise<void> {
    this.port = port;
    this.look();
    if (this.links.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.options.wheel.schedule(GREET_MS, resolve);
    this.greeted = () => {
      if (this.speakers.size >= this.links.size) resolve();
    };
    await promise;
    timer.cancel();
    this.greeted = () => undefined;
  }

  podsChanged(pods: readonly string[]): void {
    if (this.port !== 0 && pods.some((key) => key.startsWith(`${this.options.namespace}/`))) this.look();
  }

  /** How many of the callers elsewhere know that an instance leaves. */
  async tellLeaving(instance: WorkloadInstance, withinMs: number): Promise<Acknowledged> {
    const answers = await Promise.all(Array.from(this.links.values(), (link) => link.leaving(instance, withinMs)));
    let subscribers = 0;
    let acknowledged = 0;
    for (const answer of answers) {
      subscribers += answer.subscribers;
      acknowledged += answer.acknowledged;
    }
    return { subscribers, acknowledged };
  }

  /** Another replica speaks; `peer` is whom its certificate names. */
  async told(request: TellRequest, peer: string): Promise<Result<TellResponse, CallFault>> {
    const { registry, book } = this.options;
    const fault = this.judge(request.replica, peer);
    if (fault !== undefined) return fail(fault);
    this.heard(request.replica);
    const instances = request.instances.map(readTold);
    const counts = await registry.told(request.replica, instances, request.removed, request.whole, request.awaitMs);
    return ok({ ...counts, instances: request.asks ? Array.from(book.allNews(), writeTold) : [] });
  }

  /** Asks every other replica what its proxies remember of a request. None fails: what did not answer says so. */
  why(request: string, awaitMs: number): Promise<readonly ElsewhereAnswer[]> {
    return Promise.all(
      Array.from(this.links, async ([replica, link]): Promise<ElsewhereAnswer> => {
        const { promise: late, resolve } = Promise.withResolvers<null>();
        const timer = this.options.wheel.schedule(awaitMs + RETURN_MS, () => resolve(null));
        const answer = await Promise.race([link.why(request, awaitMs), late]);
        timer.cancel();
        if (answer?.ok === true) return { replica, found: answer.value, fault: '' };
        return { replica, found: null, fault: answer === null ? 'no answer in time' : answer.error.message };
      }),
    );
  }

  /** Another replica asks; `peer` is whom its certificate names. */
  async asked(
    { replica, request, awaitMs }: PeerWhyRequest,
    peer: string,
    find: (request: string, awaitMs: number) => Promise<PeerWhyResponse>,
  ): Promise<Result<PeerWhyResponse, CallFault>> {
    const fault = this.judge(replica, peer);
    return fault === undefined ? ok(await find(request, awaitMs)) : fail(fault);
  }

  stop(): void {
    for (const link of this.links.values()) link.close();
    for (const timer of this.speakers.values()) timer?.cancel();
    this.links.clear();
    this.speakers.clear();
    this.port = 0;
  }

  private judge(replica: string, peer: string): CallFault | undefined {
    if (peer !== this.options.identity) {
      return { code: 'PermissionDenied', message: `${peer} is no control plane of this mesh` };
    }
    if (replica !== this.options.replica) return undefined;
    return { code: 'FailedPrecondition', message: `two replicas are named ${replica}` };
  }

  private greeted: () => void = () => undefined;

  private heard(replica: string): void {
    if (!this.speakers.has(replica)) this.speakers.set(replica, null);
    this.watchOver(replica);
  }

  /** Which replicas there are now. */
  private look(): void {
    const { replica, book, registry, tls, wheel, log } = this.options;
    const found = new Map<string, string>();
    for (const pod of this.peers()) if (pod.isReady) found.set(pod.name, `${bracketed(pod.address)}:${this.port}`);
    for (const [peer, link] of this.links) {
      if (found.get(peer) === link.address) continue;
      link.close();
      this.links.delete(peer);
    }
    for (const [peer, address] of found) {
      if (this.links.has(peer)) continue;
      const onAnswer = ({ instances }: TellResponse): void => {
        this.heard(peer);
        void registry.told(peer, instances.map(readTold), [], true, 0);
        this.greeted();
      };
      this.links.set(peer, new PeerLink({ replica, peer, address, book, tls, wheel, log, onAnswer }));
    }
    for (const speaker of this.speakers.keys()) this.watchOver(speaker);
  }

  /** Plans to forget a replica whose pod is gone, and not to when it is there. */
  private watchOver(replica: string): void {
    const { pods, namespace, wheel, registry } = this.options;
    const pod = pods.get(`${namespace}/${replica}`);
    const timer = this.speakers.get(replica) ?? null;
    if (pod !== undefined && !pod.isOver) {
      timer?.cancel();
      this.speakers.set(replica, null);
    } else if (timer === null) {
      const forget = (): void => {
        this.speakers.delete(replica);
        void registry.told(replica, [], [], true, 0);
      };
      this.speakers.set(replica, wheel.schedule(GONE_MS, forget));
    }
  }

  private *peers(): Generator<PodFacts> {
    const { pods, namespace, replica } = this.options;
    const own = pods.get(`${namespace}/${replica}`);
    if (own === undefined) return;
    for (const key of pods.keys()) {
      if (!key.startsWith(`${namespace}/`)) continue;
      const pod = pods.get(key);
      if (pod === undefined || pod.name === replica || pod.isOver || pod.address === '') continue;
      if (pod.serviceAccount === own.serviceAccount && pod.labels[NAME_LABEL] === own.labels[NAME_LABEL]) yield pod;
    }
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
