/**
 * Replicas of the control plane among themselves. They find each other as pods of the same account and name, and take each other's
 * word by the one identity that nobody but a control plane is issued. What they say only sharpens what each sees for itself.
 */
import { type Clock, type Result, type Timer, type TimerWheel, bracketedHost, fail, ok } from '@weft/kernel';
import type { PodFacts } from '@weft/kube';
import type { WorkloadInstance } from '@weft/model';
import {
  type AskedReplica,
  type CallFault,
  type ClientTls,
  type CountRequest,
  type Counters,
  type Nothing,
  type PeerClient,
  type TellRequest,
  type TellResponse,
  readTold,
  writeTold,
} from '@weft/wire';
import type { PodSource } from '../expected-instance.ts';
import type { InstanceBook } from '../instance-book.ts';
import type { Log } from '../log.ts';
import type { Acknowledged, ProxyRegistry } from '../proxy-registry.ts';
import type { Reporter, TrafficWindow } from '../observation/traffic-window.ts';
import { CounterFeed } from './counter-feed.ts';
import { CounterIntake } from './counter-intake.ts';
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
  /** What other replicas' proxies count goes there too. */
  readonly window: TrafficWindow;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly log: Log;
}

/** What another replica answered, or why it did not. */
export interface ReplicaAnswer<T> {
  readonly replica: string;
  readonly answer: Result<T, CallFault>;
}

interface Connected {
  readonly link: PeerLink;
  readonly feed: CounterFeed;
}

const NAME_LABEL = 'app.kubernetes.io/name';
/** After a replica is gone its sidecars come to another one; until then its word stands. */
const GONE_MS = 10_000;
/** Somebody waits for the answer. */
const ASK_MS = 2_000;
/** A replica that starts waits so long for what the others know. */
const GREET_MS = 2000;

export class PeerRoom {
  private readonly options: PeerRoomOptions;
  private readonly links: Map<string, Connected>;
  private readonly intake: CounterIntake;
  /** Replicas that told us something, and when that is forgotten where their pod is gone. */
  private readonly speakers: Map<string, Timer | null>;
  private port: number;

  constructor(options: PeerRoomOptions) {
    this.options = options;
    this.links = new Map();
    this.intake = new CounterIntake(options.window, options.clock);
    this.speakers = new Map();
    this.port = 0;
    options.book.onOwn = (workload) => {
      for (const { link } of this.links.values()) link.changed(workload);
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
    const answers = await Promise.all(Array.from(this.links.values(), ({ link }) => link.leaving(instance, withinMs)));
    let subscribers = 0;
    let acknowledged = 0;
    for (const answer of answers) {
      subscribers += answer.subscribers;
      acknowledged += answer.acknowledged;
    }
    return { subscribers, acknowledged };
  }

  /** Whether the bearer of a certificate may speak here: the control plane itself, and nobody else. */
  admits(peer: string): Result<true, CallFault> {
    if (peer === this.options.identity) return ok(true);
    return fail({ code: 'PermissionDenied', message: `${peer} is no control plane of this mesh` });
  }

  /** Whether who says that it is this replica can be another one. */
  judge(replica: string): Result<true, CallFault> {
    if (replica !== this.options.replica) return ok(true);
    return fail({ code: 'FailedPrecondition', message: `two replicas are named ${replica}` });
  }

  /** Another replica speaks. */
  async told(request: TellRequest): Promise<Result<TellResponse, CallFault>> {
    const { registry, book } = this.options;
    const judged = this.judge(request.replica);
    if (!judged.ok) return judged;
    this.heard(request.replica);
    this.links.get(request.replica)?.link.heard();
    const instances = request.instances.map(readTold);
    const counts = await registry.told(request.replica, instances, request.removed, request.whole, request.awaitMs);
    return ok({ ...counts, instances: request.asks ? Array.from(book.allNews(), writeTold) : [] });
  }

  /** What a proxy with its stream here has counted is told to all. */
  counted(reporter: Reporter, counters: Counters): void {
    for (const { feed } of this.links.values()) feed.counted(reporter, counters);
  }

  /** Another replica tells what its proxies have counted. */
  count(request: CountRequest): Result<Nothing, CallFault> {
    const judged = this.judge(request.replica);
    if (!judged.ok) return judged;
    this.links.get(request.replica)?.link.heard();
    this.intake.take(request);
    return ok({});
  }

  /** All other replicas, and what of their proxies' traffic of the last `windowMs` is not known. */
  traffic(windowMs: number): AskedReplica[] {
    return Array.from(this.others(), ({ name }) => {
      const link = this.reach(name);
      const silent = this.intake.silence(name, windowMs) || (link.ok ? '' : link.error.message);
      return { replica: name, silent };
    });
  }

  /**
   * Asks every other replica. None fails: what did not answer within `withinMs` says why. One that is known to be away
   * costs no time.
   */
  async ask<T>(
    question: (client: PeerClient) => Promise<Result<T, CallFault>>,
    withinMs: number = ASK_MS,
  ): Promise<readonly ReplicaAnswer<T>[]> {
    return Promise.all(
      Array.from(this.others(), async ({ name }) => ({
        replica: name,
        answer: await this.askOne(name, question, withinMs),
      })),
    );
  }

  /** Asks one of them, by its name. */
  async askOne<T>(
    replica: string,
    question: (client: PeerClient) => Promise<Result<T, CallFault>>,
    withinMs: number = ASK_MS,
  ): Promise<Result<T, CallFault>> {
    const link = this.reach(replica);
    if (!link.ok) return link;
    const { promise: late, resolve } = Promise.withResolvers<Result<never, CallFault>>();
    const message = `no answer within ${withinMs} ms`;
    const timer = this.options.wheel.schedule(withinMs, () => resolve(fail({ code: 'DeadlineExceeded', message })));
    const answer = await Promise.race([link.value.ask(question), late]);
    timer.cancel();
    if (answer.ok || answer.error.code !== 'Unimplemented') return answer;
    return fail({ code: 'Unimplemented', message: 'it is of an older version' });
  }

  /** Begins to listen to every other replica that can be reached; the returned function ends it all. */
  follow(
    begin: (client: PeerClient, replica: string) => () => void,
    unreached: (replica: string, fault: CallFault) => void,
  ): () => void {
    const stops: (() => void)[] = [];
    for (const { name } of this.others()) {
      const link = this.reach(name);
      if (link.ok) stops.push(link.value.ask((client) => begin(client, name)));
      else unreached(name, link.error);
    }
    return () => {
      for (const stop of stops) stop();
    };
  }

  stop(): void {
    for (const connected of this.links.values()) close(connected);
    for (const timer of this.speakers.values()) timer?.cancel();
    this.links.clear();
    this.speakers.clear();
    this.port = 0;
  }

  private reach(replica: string): Result<PeerLink, CallFault> {
    const found = this.links.get(replica);
    if (found === undefined) return fail({ code: 'Unavailable', message: 'its pod is not ready' });
    const trouble = found.link.trouble || found.feed.trouble;
    return trouble === '' ? ok(found.link) : fail({ code: 'Unavailable', message: trouble });
  }

  private greeted: () => void = () => undefined;

  private heard(replica: string): void {
    if (!this.speakers.has(replica)) this.speakers.set(replica, null);
    this.watchOver(replica);
  }

  /** Which replicas there are now. */
  private look(): void {
    const { replica, book, registry, tls, clock, wheel, log } = this.options;
    const found = new Map<string, string>();
    for (const pod of this.others()) if (pod.isReady) found.set(pod.name, `${bracketedHost(pod.address)}:${this.port}`);
    for (const [peer, connected] of this.links) {
      if (found.get(peer) === connected.link.address) continue;
      close(connected);
      this.links.delete(peer);
    }
    for (const [peer, address] of found) {
      if (this.links.has(peer)) continue;
      const onAnswer = ({ instances }: TellResponse): void => {
        this.heard(peer);
        void registry.told(peer, instances.map(readTold), [], true, 0);
        this.greeted();
      };
      const link = new PeerLink({ replica, peer, address, book, tls, clock, wheel, log, onAnswer });
      const send = (request: CountRequest): Promise<Result<Nothing, CallFault>> =>
        link.say((client) => client.count(request));
      this.links.set(peer, { link, feed: new CounterFeed({ replica, clock, wheel, send }) });
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
        this.intake.forget(replica);
        void registry.told(replica, [], [], true, 0);
      };
      this.speakers.set(replica, wheel.schedule(GONE_MS, forget));
    }
  }

  /** Pods of the other replicas, ready or not. */
  private *others(): Generator<PodFacts> {
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

function close({ link, feed }: Connected): void {
  feed.close();
  link.close();
}
