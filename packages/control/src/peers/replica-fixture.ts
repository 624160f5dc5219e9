/** Two control planes of one scripted cluster, for this package's tests. Not exported by the package. */
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '@weft/kernel';
import { ScriptedApiServer, type ScriptedObject, eventually } from '@weft/testkit';
import { AdminClient } from '@weft/wire';
import {
  type TestControl,
  type TestProxy,
  type TestProxyOptions,
  startTestControl,
  startTestProxy,
} from '../control-harness.ts';
import type { ControlOptions } from '../control-options.ts';

export const WAIT_MS = 5000;
export const DESTINATION = 'shop/orders:80';
export const ORDERS = 'spiffe://cluster.local/ns/shop/sa/orders';

export interface PodScript {
  readonly address: string;
  readonly account: string;
  readonly injected?: boolean;
  readonly terminating?: boolean;
  readonly capture?: string;
}

export function pod(name: string, script: PodScript): ScriptedObject {
  const { address, account, injected = true, terminating = false, capture = 'redirect' } = script;
  const env = [
    { name: 'WEFT_CAPTURE', value: capture },
    { name: 'WEFT_PORTS', value: 'http=8080' },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      labels: { app: account },
      ...(terminating ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      serviceAccountName: account,
      nodeName: 'n1',
      initContainers: injected ? [{ name: 'weft-proxy', env }] : [],
      containers: [{ name: 'app' }],
    },
    status: { podIP: address, phase: 'Running' },
  };
}

function controlPod(name: string, address: string, isReady = true): ScriptedObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'weft-system', labels: { 'app.kubernetes.io/name': 'weft-control' } },
    spec: { serviceAccountName: 'weft-control', nodeName: 'n1', containers: [{ name: 'control' }] },
    status: { podIP: address, phase: 'Running', conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }] },
  };
}

export function slice(...ends: readonly (readonly [string, string])[]): ScriptedObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'orders-x', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'orders' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: ends.map(([name, address]) => ({
      addresses: [address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name },
    })),
  };
}

function service(name: string): ScriptedObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  };
}

const gatewayApi = { group: 'gateway.networking.k8s.io', version: 'v1' };
const ADDRESSES = { one: '127.0.0.1', two: '127.0.0.2' };

/** A cluster with a Service `orders` of one injected pod, and a caller; replicas at 127.0.0.1 and 127.0.0.2. */
export class Replicas {
  readonly server = new ScriptedApiServer();
  /** Of both replicas and all proxies; its hands may be set forward. */
  readonly clock: Clock;
  private passedMs = 0;
  private aheadMs = 0;
  private readonly t: TestContext;
  private readonly claimed = new Set<string>();
  private port = 0;

  constructor(t: TestContext) {
    this.t = t;
    this.clock = {
      nowMs: () => systemClock.nowMs() + this.passedMs,
      wallMs: () => systemClock.wallMs() + this.aheadMs,
    };
  }

  /** Lets all that waits for so long be due. The date stays, which certificates go by. */
  pass(ms: number): void {
    this.passedMs += ms;
  }

  /** Lets the step of time be over into which counters fall now. */
  finishStep(): void {
    this.aheadMs += 5_000;
  }

  /** What people ask a replica with. */
  admin({ control }: TestControl): AdminClient {
    const admin = new AdminClient(control.adminSocket);
    this.t.after(() => admin.close());
    return admin;
  }

  async open(): Promise<this> {
    const { server, t } = this;
    server.define({ ...gatewayApi, kind: 'HTTPRoute', plural: 'httproutes', namespaced: true });
    for (const name of ['orders', 'web']) server.put(service(name));
    server.put(pod('orders-1', { address: '10.0.0.1', account: 'orders' }));
    server.put(pod('web-1', { address: '10.0.0.9', account: 'web' }));
    server.put(slice(['orders-1', '10.0.0.1']));
    await server.listen();
    t.after(() => server.close());
    return this;
  }

  /** The cluster says that a replica is ready, whether it is there or not. */
  claimReady(name: keyof typeof ADDRESSES): void {
    this.claimed.add(name);
    this.server.put(controlPod(name, ADDRESSES[name]));
  }

  /** Starts one; as in a cluster its pod is there before and ready after, unless it was said to be ready already. */
  async replica(name: keyof typeof ADDRESSES, more: Partial<ControlOptions> = {}): Promise<TestControl> {
    if (!this.claimed.has(name)) this.server.put(controlPod(name, ADDRESSES[name], false));
    const access = {
      description: 'a scripted server',
      server: this.server.url,
      token: () => '',
      namespace: 'weft-system',
    };
    const started = await startTestControl(this.t, {
      name,
      clock: this.clock,
      host: ADDRESSES[name],
      port: this.port,
      cluster: { access, replica: name, namespace: 'weft-system' },
      ...more,
    });
    this.port = started.control.port;
    this.claimReady(name);
    return started;
  }

  /** The sidecar of `web-1`, which calls the Service. */
  async caller(mesh: TestControl, more: Partial<TestProxyOptions> = {}): Promise<TestProxy> {
    const caller = await startTestProxy(mesh, { service: 'web', instance: 'web-1', ephemeral: false, ...more });
    caller.client.subscribe([DESTINATION]);
    await eventually(() => caller.get(`endpoints:${DESTINATION}`) !== undefined, WAIT_MS);
    return caller;
  }

  sidecar(mesh: TestControl, more: Partial<TestProxyOptions> = {}): Promise<TestProxy> {
    return startTestProxy(mesh, {
      service: 'orders',
      instance: 'orders-1',
      ephemeral: false,
      capabilities: ['captured'],
      listeners: [{ applicationPort: 8080, name: 'http', address: '10.0.0.1', port: 8080 }],
      ...more,
    });
  }
}
