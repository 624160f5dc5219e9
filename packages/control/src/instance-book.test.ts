import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openSealedFolder } from '@weft/identity';
import type { PodFacts } from '@weft/kube';
import type { WorkloadInstance } from '@weft/model';
import { FakeClock } from '@weft/testkit';
import { ChangeFeed } from './change-feed.ts';
import { RecordedLog } from './control-harness.ts';
import { InstanceBook } from './instance-book.ts';
import { PushProgress } from './push-progress.ts';
import { ResourceIndex } from './resource-index.ts';
import { readPlace } from './source/config-place.ts';
import { WorkloadMemory } from './workload-memory.ts';

const ORDERS = 'shop/orders-1';

function podOf(more: Partial<PodFacts> = {}, sidecar: Partial<NonNullable<PodFacts['sidecar']>> = {}): PodFacts {
  return {
    name: 'orders-1',
    namespace: 'shop',
    uid: 'u1',
    labels: {},
    serviceAccount: 'orders',
    node: 'n1',
    address: '10.0.0.1',
    addresses: ['10.0.0.1'],
    hostNetwork: false,
    createdAtMs: 0,
    isTerminating: false,
    isOver: false,
    isReady: true,
    sidecar: {
      isCaptured: true,
      ports: [{ name: 'http', port: 8080 }],
      bare: [{ from: 9000, to: 9000 }],
      isDown: false,
      restarts: 0,
      ...sidecar,
    },
    ...more,
  };
}

function said(more: Partial<WorkloadInstance> = {}): WorkloadInstance {
  return {
    workload: ORDERS,
    namespace: 'shop',
    serviceAccount: 'orders',
    labels: {},
    zone: '',
    weight: 100,
    ports: [{ name: 'http', applicationPort: 8080, meshPort: 8080 }],
    address: '10.0.0.1',
    identity: 'spiffe://cluster.local/ns/shop/sa/orders',
    draining: false,
    ...more,
  };
}

class Bench {
  readonly clock = new FakeClock();
  readonly wheel = this.clock.wheel();
  readonly pods = new Map<string, PodFacts>();
  readonly index = new ResourceIndex();
  readonly book: InstanceBook;

  constructor(t: TestContext, folder = mkdtempSync(join(tmpdir(), 'weft-book-'))) {
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    assert.ok(openSealedFolder(join(folder, 'state')).ok);
    const quiet = { changed: () => null, pushed: () => undefined };
    const feed = new ChangeFeed(
      this.index,
      new PushProgress(this.clock, this.wheel, () => undefined),
      this.wheel,
      quiet,
    );
    const memory = new WorkloadMemory(join(folder, 'state'), this.wheel, new RecordedLog());
    t.after(() => memory.stop());
    this.book = new InstanceBook({ feed, memory, wheel: this.wheel, pods: this.pods });
    t.after(() => this.book.stop());
  }

  configure(text: string): this {
    for (const { result } of readPlace('a.yaml', text).objects) {
      assert.ok(result.object !== undefined);
      this.index.apply([{ type: 'Upsert', object: result.object }]);
    }
    return this;
  }

  begin(): this {
    this.book.begin('cluster.local');
    return this;
  }

  pod(facts: PodFacts | undefined): this {
    if (facts === undefined) this.pods.delete(ORDERS);
    else this.pods.set(ORDERS, facts);
    this.book.settle([ORDERS]);
    return this;
  }

  say(instance: WorkloadInstance): this {
    this.book.say(instance);
    this.book.settle([instance.workload]);
    return this;
  }

  unsay(): this {
    this.book.unsay(ORDERS);
    this.book.settle([ORDERS]);
    return this;
  }

  /** What stands in the model; empty for nothing. */
  get standing(): string {
    const instance = this.index.model.workloads.get(ORDERS)?.instance;
    if (instance === undefined) return '';
    const ports = instance.ports.map(
      ({ applicationPort, meshPort, learned = '' }) => `${applicationPort}>${meshPort}${learned}`,
    );
    return `${instance.identity.split('/sa/')[1]} ${instance.address} ${ports.join()}${instance.draining ? ' draining' : ''}`;
  }
}

const entry =
  'apiVersion: weft.dev/v1alpha1\nkind: WorkloadEntry\nmetadata: {name: orders-1, namespace: shop}\n' +
  'spec: {address: 10.0.0.1, serviceAccount: orders, labels: {app: orders}}\n';
const service =
  '---\napiVersion: v1\nkind: Service\nmetadata: {name: orders, namespace: shop}\n' +
  'spec: {selector: {app: orders}, ports: [{name: a, port: 80, targetPort: 8081}, {name: b, port: 81, targetPort: 9000}]}\n';

test('a pod stands by itself, at its declared ports and at those that Services lead to, but for what is led past its sidecar', (t) => {
  const bench = new Bench(t).configure(entry + service).begin();
  assert.equal(bench.pod(podOf()).standing, 'orders 10.0.0.1 8080>8080,8081>8081');
  assert.equal(bench.pod(podOf({}, { isCaptured: false })).standing, '');
  assert.equal(bench.pod(podOf({ hostNetwork: true })).standing, '');
  assert.equal(bench.pod(undefined).standing, '');
});

test('its sidecar is believed over the pod, and the pod again when the stream is gone', (t) => {
  const bench = new Bench(t).begin().pod(podOf());
  bench.say(said({ ports: [{ name: 'http', applicationPort: 8080, meshPort: 8080, learned: 'Tcp' }] }));
  assert.equal(bench.standing, 'orders 10.0.0.1 8080>8080Tcp');
  assert.equal(bench.unsay().standing, 'orders 10.0.0.1 8080>8080');
});

test('a pod that ends or whose sidecar has ended drains, whatever its sidecar said', (t) => {
  const bench = new Bench(t).begin();
  assert.equal(bench.pod(podOf({}, { isDown: true })).standing, 'orders 10.0.0.1 8080>8080 draining');
  bench.pod(podOf()).say(said());
  assert.equal(bench.standing, 'orders 10.0.0.1 8080>8080');
  assert.equal(bench.pod(podOf({ isTerminating: true })).standing, 'orders 10.0.0.1 8080>8080 draining');
});

test('a sidecar that drained and left is not called until it was started anew', (t) => {
  const bench = new Bench(t).begin().pod(podOf());
  bench
    .say(said())
    .say(said({ draining: true }))
    .unsay();
  assert.equal(bench.standing, 'orders 10.0.0.1 8080>8080 draining');
  assert.equal(bench.pod(podOf({}, { restarts: 1 })).standing, 'orders 10.0.0.1 8080>8080');
});

test('what was said of an earlier pod of the same name is not said of the next', (t) => {
  const bench = new Bench(t)
    .begin()
    .pod(podOf())
    .say(said({ draining: true }));
  const next = podOf({ uid: 'u2', address: '10.0.0.7' });
  assert.equal(bench.pod(next).standing, 'orders 10.0.0.7 8080>8080');
});

test('another replica is believed where no sidecar of ours speaks, until it takes its word back', (t) => {
  const bench = new Bench(t).begin().pod(podOf());
  const learned = said({ ports: [{ name: 'http', applicationPort: 8080, meshPort: 8080, learned: 'Http1' }] });
  bench.book.tell('two', [learned], [], false);
  assert.equal(bench.standing, 'orders 10.0.0.1 8080>8080Http1');
  bench.say(said());
  assert.equal(bench.standing, 'orders 10.0.0.1 8080>8080');
  bench.unsay();
  assert.equal(bench.standing, 'orders 10.0.0.1 8080>8080Http1');
  // One replica takes back what it said itself, and nothing else.
  bench.book.tell('three', [], [ORDERS], false);
  assert.equal(bench.standing, 'orders 10.0.0.1 8080>8080Http1');
  bench.book.tell('two', [], [], true);
  assert.equal(bench.standing, 'orders 10.0.0.1 8080>8080');
});

test('only what the pod does not say by itself is news for other replicas', (t) => {
  const bench = new Bench(t).begin().pod(podOf()).say(said());
  assert.equal(bench.book.news(ORDERS), undefined);
  bench.say(said({ zone: 'a' }));
  assert.deepEqual([...bench.book.allNews()], []);
  bench.say(said({ draining: true }));
  assert.equal(bench.book.news(ORDERS)?.draining, true);
  bench.pod(undefined).say(said());
  assert.equal(bench.book.news(ORDERS)?.draining, false);
});

test('without a pod, an entry whose sidecar is gone is called by nobody, and after a restart for half a minute', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-book-'));
  const first = new Bench(t, folder).configure(entry).begin().say(said());
  assert.equal(first.standing, 'orders 10.0.0.1 8080>8080');
  first.clock.advance(1000);
  const second = new Bench(t, folder).configure(entry).begin();
  assert.equal(second.standing, 'orders 10.0.0.1 8080>8080');
  second.clock.advance(31_000);
  assert.equal(second.standing, 'orders 10.0.0.1 8080>8080 draining');
  assert.equal(first.unsay().standing, 'orders 10.0.0.1 8080>8080 draining');
});

test('who called a workload is remembered though its Services name it no more', (t) => {
  const bench = new Bench(t)
    .configure(entry + service)
    .begin()
    .pod(podOf());
  assert.deepEqual(bench.book.endpointSets(ORDERS), ['endpoints:shop/orders:80', 'endpoints:shop/orders:81']);
  bench.configure(entry.replace('{app: orders}', '{}'));
  bench.book.settle([ORDERS]);
  assert.deepEqual(bench.book.endpointSets(ORDERS), ['endpoints:shop/orders:80', 'endpoints:shop/orders:81']);
  bench.pod(undefined);
  assert.deepEqual(bench.book.endpointSets(ORDERS), []);
});
