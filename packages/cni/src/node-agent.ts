import { type Server, createServer } from 'node:http';
import { join } from 'node:path';
import { mapOf, mapsOf } from '@weft/injection';
import { type Clock, type Random, type Result, type TimerWheel, fail, ok } from '@weft/kernel';
import { EventRecorder, KindWatch, type KubeClient } from '@weft/kube';
import { CallDoor } from './call-door.ts';
import type { PodName } from './cni-call.ts';
import { type CallFacts, answerCall } from './pod-capture.ts';
import { PluginInstall } from './plugin-install.ts';
import { toolsName } from './plugin-script.ts';
import { type UncapturedPod, readUncaptured } from './uncaptured-pods.ts';

export interface NodeAgentOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly random: Random;
  readonly log: AgentLog;
  /** Name of the node, and of the DaemonSet `namespace/name` that the agent belongs to. */
  readonly node: string;
  readonly namespace: string;
  readonly daemonSet: string;
  /** Folders of the node, at the same paths here. */
  readonly programFolder: string;
  readonly configurationFolder: string;
  readonly configurationFile: string;
  readonly callFolder: string;
  readonly excludedNamespaces: readonly string[];
  /** Folder of what goes to the node: a static `busybox`, which makes pipes here too, `nft` with its libraries and `ld.so`. */
  readonly toolsSource: string;
  /** Pods that started uncaptured are evicted; otherwise only an event says it. */
  readonly evicts: boolean;
  /** Taken off the node once its pods can be captured; empty: none. */
  readonly taint: string;
  readonly host: string;
  /** Of `/ready`, `/live` and `/metrics`; 0 takes a free one. */
  readonly port: number;
}

export interface AgentLog {
  info(message: string, fields?: Readonly<Record<string, string>>): void;
  warn(message: string, fields?: Readonly<Record<string, string>>): void;
}

export interface NodeAgent {
  readonly port: number;
  readonly ready: boolean;
  /** Ends. The plugin stays on the node while its DaemonSet does: another agent is about to come. */
  stop(): Promise<void>;
}

/** Pods remembered as captured; a node has a hundred. */
const MOST_PODS = 4_096;
/** A server that takes longer has the kubelet try again. */
const POD_READ_TRIES = 3;

/** Starts the agent of this node. The error is a sentence for a person. */
export async function startNodeAgent(options: NodeAgentOptions): Promise<Result<NodeAgent, string>> {
  const agent = new Agent(options);
  try {
    await agent.start();
  } catch (error) {
    return fail(`the agent cannot be of use to this node: ${(error as Error).message}`);
  }
  return ok(agent);
}

class Agent implements NodeAgent {
  private readonly options: NodeAgentOptions;
  private readonly install: PluginInstall;
  private readonly events: EventRecorder;
  private readonly pods: KindWatch<UncapturedPod>;
  private readonly server: Server;
  /** By UID: what failed there was something else. */
  private readonly captured: Set<string>;
  private readonly evicted: Set<string>;
  private readonly calls: Map<string, number>;
  private evictions: number;
  private door: CallDoor | null;
  private chained: boolean;
  private taintGone: boolean;

  constructor(options: NodeAgentOptions) {
    const { client, clock, wheel, random, node, log } = options;
    this.options = options;
    this.install = new PluginInstall({ ...options, onWord: (level, message) => log[level](message) });
    this.events = new EventRecorder({
      client,
      clock,
      instance: node,
      onFault: ({ message }) => log.warn('an event was not taken', { message }),
    });
    this.captured = new Set();
    this.evicted = new Set();
    this.calls = new Map();
    this.evictions = 0;
    this.door = null;
    this.chained = false;
    this.taintGone = false;
    this.pods = new KindWatch(
      client,
      { path: '/api/v1/pods', fieldSelector: `spec.nodeName=${node}`, trim: readUncaptured },
      {
        changed: (_name, pod) => {
          if (pod !== undefined) void this.repair(pod);
        },
        synced: () => {},
        troubled: ({ message }) => log.warn('pods of this node are not watched at the moment', { message }),
      },
      { clock, wheel, random },
    );
    this.server = createServer((request, response) => {
      if (request.url === '/metrics') response.end(this.metrics());
      else if (request.url === '/ready' && !this.ready) {
        response.writeHead(503);
        response.end('not ready: the plugin is in no network configuration of this node\n');
      } else if (request.url === '/ready' || request.url === '/live') response.end('ok\n');
      else {
        response.writeHead(404);
        response.end();
      }
    });
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  get ready(): boolean {
    return this.chained && this.door !== null;
  }

  /** Throws the system's error. */
  async start(): Promise<void> {
    const { callFolder, toolsSource, host, port, clock } = this.options;
    // First who answers, then the plugin, then the line by which runtimes call it.
    this.door = await CallDoor.open(
      callFolder,
      [join(toolsSource, toolsName), 'mkfifo'],
      clock,
      (lines, configuration) =>
        answerCall(
          lines,
          configuration,
          (pod) => this.readPod(pod),
          (facts) => this.tell(facts),
        ),
    );
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, resolve);
    });
    this.install.placePrograms();
    this.install.keep((chained) => {
      this.chained = chained;
      if (chained) void this.removeTaint();
    });
    this.pods.start();
  }

  async stop(): Promise<void> {
    this.install.stop();
    await this.pods.stop();
    if (await this.isLeaving()) this.install.remove();
    this.door?.close();
    this.server.close();
    this.server.closeAllConnections();
  }

  private async readPod({ namespace, name, uid }: PodName): Promise<Result<unknown, string>> {
    let fault = '';
    for (let tries = 0; tries < POD_READ_TRIES; tries += 1) {
      const got = await this.options.client.get(`/api/v1/namespaces/${namespace}/pods/${name}`);
      if (got.ok) {
        const found = mapOf(mapOf(got.value)['metadata'])['uid'];
        return uid !== '' && found !== uid ? fail('another pod has this name by now') : got;
      }
      fault = got.error.message;
      if (got.error.code === 'not-found') break;
    }
    return fail(fault);
  }

  private tell({ command, pod, outcome, message }: CallFacts): void {
    const key = `command="${command}",outcome="${outcome}"`;
    this.calls.set(key, (this.calls.get(key) ?? 0) + 1);
    if (outcome === 'captured' && command === 'ADD' && pod !== null) remember(this.captured, pod.uid);
    const fields = pod === null ? {} : { namespace: pod.namespace, pod: pod.name };
    if (outcome === 'failed') this.options.log.warn(message, { command, ...fields });
    else if (outcome === 'captured') this.options.log.info('a pod is captured', { command, ...fields });
  }

  /** A pod that had no agent when it started has none of our rules, and its own proof keeps it from going on. */
  private async repair({ namespace, name, uid, owned, ending }: UncapturedPod): Promise<void> {
    if (this.evicted.has(uid)) return;
    remember(this.evicted, uid);
    const regarding = { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
    const wrong = 'Traffic of the pod is not led through its sidecar';
    const say = (note: string): Promise<void> =>
      this.events.record(regarding, 'Warning', 'NotCaptured', `${wrong}: ${note} (${ending})`);
    if (this.captured.has(uid)) {
      await say('the rules were written, and do not work; see the log of its sidecar');
      return;
    }
    if (!this.options.evicts || !owned) {
      await say('it started before the agent of its node was ready; delete it, so that it starts again');
      return;
    }
    await say('it started before the agent of its node was ready, and is evicted to start again');
    const evicted = await this.options.client.request({
      method: 'POST',
      path: `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
      body: {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name, namespace },
        deleteOptions: { preconditions: { uid } },
      },
    });
    if (evicted.ok) {
      this.evictions += 1;
      this.options.log.info('a pod that started uncaptured was evicted', { namespace, pod: name });
    } else if (evicted.error.code !== 'not-found') {
      // Its proof fails again before long, and is seen again then.
      this.evicted.delete(uid);
      this.options.log.warn('a pod that started uncaptured cannot be evicted', {
        namespace,
        pod: name,
        message: evicted.error.message,
      });
    }
  }

  /** Nodes may be made with it, so that no pod comes before the agent. */
  private async removeTaint(): Promise<void> {
    const { taint, client, node, log } = this.options;
    if (taint === '' || this.taintGone) return;
    const path = `/api/v1/nodes/${node}`;
    const got = await client.get(path);
    if (!got.ok) {
      log.warn('the taint of this node cannot be looked at', { message: got.error.message });
      return;
    }
    const { metadata, spec } = mapOf(got.value);
    const taints = mapsOf(mapOf(spec)['taints']);
    const others = taints.filter(({ key }) => key !== taint);
    if (others.length < taints.length) {
      const { resourceVersion } = mapOf(metadata);
      const patched = await client.request({
        method: 'PATCH',
        path,
        contentType: 'application/merge-patch+json',
        // Refused when somebody else has changed it since: then the next look is.
        body: { metadata: { resourceVersion }, spec: { taints: others } },
      });
      if (!patched.ok) {
        log.warn('the taint of this node cannot be removed', { message: patched.error.message });
        return;
      }
      log.info('the taint of this node is removed', { taint });
    }
    this.taintGone = true;
  }

  /** Whether the DaemonSet is being taken away, and not only this pod of it. What cannot be known keeps the plugin. */
  private async isLeaving(): Promise<boolean> {
    const { client, namespace, daemonSet } = this.options;
    if (daemonSet === '') return true;
    const got = await client.get(`/apis/apps/v1/namespaces/${namespace}/daemonsets/${daemonSet}`);
    // Without its roles it is gone too: they are taken away together.
    if (!got.ok) return ['not-found', 'forbidden', 'unauthorized'].includes(got.error.code);
    return mapOf(mapOf(got.value)['metadata'])['deletionTimestamp'] !== undefined;
  }

  private metrics(): string {
    const calls = Array.from(this.calls, ([labels, count]) => `weft_cni_calls_total{${labels}} ${count}\n`);
    return [
      '# HELP weft_cni_calls_total Calls of the plugin on this node, by what became of them.\n# TYPE weft_cni_calls_total counter\n',
      ...calls,
      '# HELP weft_cni_evictions_total Pods evicted because they had started uncaptured.\n# TYPE weft_cni_evictions_total counter\n',
      `weft_cni_evictions_total ${this.evictions}\n`,
      '# HELP weft_cni_ready Whether pods of this node are captured.\n# TYPE weft_cni_ready gauge\n',
      `weft_cni_ready ${this.ready ? 1 : 0}\n`,
    ].join('');
  }
}

/** The oldest is forgotten first. */
function remember(set: Set<string>, uid: string): void {
  if (set.size >= MOST_PODS) set.delete(set.values().next().value!);
  set.add(uid);
}
