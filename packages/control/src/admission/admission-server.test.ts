import assert from 'node:assert/strict';
import { Agent, request as httpsRequest } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { type AuthorityMaterial, createServerRoot } from '@weft/identity';
import type { InjectionSettings } from '@weft/injection';
import { TimerWheel, systemClock } from '@weft/kernel';
import { FakeClock, eventually } from '@weft/testkit';
import { Registry } from 'prom-client';
import type { Log } from '../log.ts';
import { AdmissionServer } from './admission-server.ts';
import { reviewBodyBytes } from './admission-review.ts';
import { WebhookIdentity, type WebhookRootStore } from './webhook-identity.ts';

const NAME = 'weft-control.weft-system.svc';
const DAY_MS = 86_400_000;
const silent: Log = { info() {}, warn() {}, error() {} };
const settings: InjectionSettings = {
  image: 'weft:test',
  imagePullPolicy: '',
  imagePullSecrets: [],
  controlAddress: `${NAME}:15012`,
  trustDomain: 'cluster.local',
  rootsPem: 'roots',
  tokenAudience: 'weft',
  capture: 'Redirect',
  legacyIptables: false,
  cni: false,
  logLevel: 'info',
  size: 'standard',
};

/** A Secret as two replicas see it. */
class SharedRoot implements WebhookRootStore {
  held: AuthorityMaterial | undefined;
  published = '';
  stores = 0;

  read(): Promise<AuthorityMaterial | undefined> {
    return Promise.resolve(this.held);
  }

  replace(held: AuthorityMaterial | undefined, next: AuthorityMaterial): Promise<void> {
    if (held?.certificatePem === this.held?.certificatePem) {
      this.held = next;
      this.stores += 1;
    }
    return Promise.resolve();
  }

  publish(bundlePem: string): Promise<void> {
    this.published = bundlePem;
    return Promise.resolve();
  }
}

interface Reply {
  readonly status: number;
  readonly body: string;
}

describe('the webhooks', () => {
  const store = new SharedRoot();
  const wheel = new TimerWheel(systemClock);
  const notes: string[] = [];
  let level = '';
  const registry = new Registry();
  let known: InjectionSettings | undefined = settings;
  const server = new AdmissionServer({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    log: silent,
    registry,
    settings: () => known,
    note: (namespace, pod, message) => void notes.push(`${namespace}/${pod} ${message}`),
    podSecurity: () => level,
  });
  const identity = new WebhookIdentity({
    clock: systemClock,
    wheel,
    log: silent,
    store,
    dnsNames: [NAME],
    serve: (certificate) => server.serve(certificate),
  });
  let port = 0;

  before(async () => {
    await identity.start();
    port = await server.listen();
  });
  after(async () => {
    identity.stop();
    await server.close();
  });

  function post(path: string, body: string | Buffer, method = 'POST'): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(
        { host: '127.0.0.1', port, path, method, servername: NAME, ca: store.published, agent: false },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async function ask(path: string, object: unknown, operation = 'CREATE'): Promise<Record<string, unknown>> {
    const request = { uid: 'u', operation, namespace: 'shop', object };
    const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
    const { status, body } = await post(path, JSON.stringify(review));
    assert.equal(status, 200, body);
    return (JSON.parse(body) as { response: Record<string, unknown> }).response;
  }

  const pod = { metadata: { generateName: 'cart-' }, spec: { containers: [{ name: 'web' }] } };
  const labelled = (value: string) => ({ ...pod, metadata: { labels: { 'weft.dev/inject': value } } });

  it('leave it to the API server to close an idle connection: a question on one that closes would be lost', async () => {
    const agent = new Agent({ keepAlive: true });
    const kept = await new Promise<string>((resolve, reject) => {
      const sent = httpsRequest(
        { host: '127.0.0.1', port, path: '/', servername: NAME, ca: store.published, agent },
        (response) => {
          response.resume();
          response.on('end', () => resolve(`${response.headers['keep-alive']}`));
        },
      );
      sent.on('error', reject);
      sent.end();
    });
    agent.destroy();
    // Its client gives an idle connection up after 90 s.
    assert.ok(Number(/timeout=(\d+)/.exec(kept)?.[1]) > 90, kept);
  });

  it('inject pods of a namespace that asked, and elsewhere those that ask themselves', async () => {
    const patched = await ask('/inject/namespace', pod);
    assert.equal(patched['allowed'], true);
    const paths = (JSON.parse(Buffer.from(String(patched['patch']), 'base64').toString()) as { path: string }[]).map(
      ({ path }) => path,
    );
    assert.deepEqual(paths, ['/spec/containers', '/spec/initContainers', '/spec/volumes']);
    assert.equal('patch' in (await ask('/inject/namespace', labelled('disabled'))), false);
    assert.equal('patch' in (await ask('/inject/pod', pod)), false);
    assert.equal('patch' in (await ask('/inject/pod', labelled('enabled'))), true);
    assert.equal('patch' in (await ask('/inject/namespace', pod, 'UPDATE')), false);
  });

  it('refuse what cannot work, and warn of what is left alone, with what to do', async () => {
    const clash = { spec: { containers: [{ name: 'web', ports: [{ containerPort: 15_001 }] }] } };
    const refused = await ask('/inject/namespace', clash);
    assert.equal(refused['allowed'], false);
    assert.match(JSON.stringify(refused['status']), /spec\.containers\[0\]\.ports\[0\]\.containerPort: port 15001/);
    const left = await ask('/inject/namespace', { ...pod, spec: { ...pod.spec, hostNetwork: true } });
    assert.match(String(left['warnings']), /^No sidecar was added: the pod shares the network of its node/);
    assert.match(notes.join(), /shop\/cart- No sidecar was added/);
  });

  it('say beforehand that Pod Security will refuse a pod for its capture, and name the ways out', async () => {
    const seen = notes.length;
    level = 'restricted';
    const patched = await ask('/inject/namespace', pod);
    const none = await ask('/inject/namespace', {
      ...pod,
      metadata: { ...pod.metadata, annotations: { 'config.weft.dev/capture': 'None' } },
    });
    level = 'privileged';
    assert.equal('warnings' in (await ask('/inject/namespace', pod)), false);
    level = '';
    assert.equal('patch' in patched, true);
    assert.match(String(patched['warnings']), /^Pod Security "restricted" .* cni\.enabled.*capture: None.* privileged/);
    assert.equal('warnings' in none, false);
    assert.equal(notes.length, seen + 1);
  });

  it('refuse objects of our kinds with the path of each fault', async () => {
    const policy = {
      apiVersion: 'weft.dev/v1alpha1',
      kind: 'TrafficPolicy',
      metadata: { name: 'p', namespace: 'shop', managedFields: [{ manager: 'kubectl' }] },
      spec: { targetRefs: [{ group: '', kind: 'Service', name: 'cart' }], retries: { attempts: -1, atempts: 2 } },
    };
    const refused = await ask('/validate', policy);
    assert.equal(refused['allowed'], false);
    assert.match(
      JSON.stringify(refused['status']),
      /spec\.retries\.atempts: unknown field.*spec\.retries\.attempts: -1 is out of range/,
    );
    assert.equal(
      (await ask('/validate', { ...policy, spec: { targetRefs: policy.spec.targetRefs } }))['allowed'],
      true,
    );
    assert.equal((await ask('/validate', policy, 'DELETE'))['allowed'], true);
  });

  it('answer malformed questions without an effect on the next', async () => {
    assert.equal((await post('/inject/namespace', 'x')).status, 400);
    assert.equal((await post('/inject/namespace', '['.repeat(200_000))).status, 400);
    assert.equal((await post('/other', '{}')).status, 404);
    assert.equal((await post('/validate', '', 'GET')).status, 404);
    await assert.rejects(post('/inject/namespace', Buffer.alloc(reviewBodyBytes + 1, 0x20)));
    for (const object of [
      { spec: null },
      { spec: { containers: [null, 1, { ports: 7 }] } },
      { metadata: 1, spec: {} },
    ]) {
      assert.equal((await ask('/inject/namespace', object))['allowed'], false);
    }
    assert.equal((await ask('/inject/namespace', pod))['allowed'], true);
    assert.match(
      await registry.metrics(),
      /weft_control_admission_answers_total\{webhook="namespace",answer="malformed"\} 2/,
    );
  });

  it('have pods wait while the settings of the mesh are not known', async () => {
    known = undefined;
    const review = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: { uid: 'u', operation: 'CREATE', object: pod },
    };
    assert.equal((await post('/inject/namespace', JSON.stringify(review))).status, 503);
    known = settings;
  });

  it('give up on a caller that sends nothing', async () => {
    const sockets = Array.from({ length: 3 }, () =>
      connect({ port, host: '127.0.0.1', servername: NAME, ca: store.published }),
    );
    await eventually(() => sockets.every((socket) => socket.authorized), 2_000);
    assert.equal((await ask('/inject/namespace', pod))['allowed'], true);
    for (const socket of sockets) socket.destroy();
  });
});

describe('the certificate of the webhooks', () => {
  // Keys are made beside the event loop; the next look is planned after it.
  const minutesUntil = (clock: FakeClock, until: () => boolean): Promise<unknown> =>
    eventually(() => {
      clock.advance(60_000);
      return until();
    }, 2_000);
  const clockAt = () => new FakeClock({ wallStartMs: Date.parse('2026-03-01T00:00:00Z') });
  const replica = (store: WebhookRootStore, clock: FakeClock) => {
    const served: string[] = [];
    const wheel = clock.wheel();
    const identity = new WebhookIdentity({
      clock,
      wheel,
      log: silent,
      store,
      dnsNames: [NAME],
      serve: ({ certificatePem }) => void served.push(certificatePem),
    });
    return { identity, served };
  };

  it('has one root however many replicas start at once', async () => {
    const store = new SharedRoot();
    const clock = clockAt();
    const replicas = [replica(store, clock), replica(store, clock), replica(store, clock)];
    await Promise.all(replicas.map(({ identity }) => identity.start()));
    assert.equal(store.stores, 1);
    const root = store.held!.certificatePem;
    assert.equal(store.published, root);
    for (const { served } of replicas) assert.ok(served.length === 1 && served[0]!.endsWith(root));
    for (const { identity } of replicas) identity.stop();
  });

  it('is renewed before it ends, and its root with it, the old one trusted beside the new', async () => {
    const store = new SharedRoot();
    const clock = clockAt();
    const { identity, served } = replica(store, clock);
    await identity.start();
    const first = store.held!.certificatePem;
    const pass = async (days: number, until: () => boolean): Promise<void> => {
      clock.advance(days * DAY_MS);
      await minutesUntil(clock, until);
    };
    await pass(21, () => served.length === 2);
    assert.equal(store.stores, 1);
    await pass(290, () => served.length === 3);
    assert.equal(store.stores, 2);
    assert.equal(store.published, `${store.held!.certificatePem}${first}`);
    identity.stop();
  });

  it('is made again when its root was deleted or overwritten with something else', async () => {
    const store = new SharedRoot();
    const clock = clockAt();
    const { identity, served } = replica(store, clock);
    await identity.start();
    store.held = undefined;
    await minutesUntil(clock, () => served.length === 2);
    const other = await createServerRoot(DAY_MS, clock.wallMs());
    store.held = { certificatePem: other.certificatePem, keyPem: 'no key' };
    await minutesUntil(clock, () => served.length === 3);
    assert.ok(served[2]!.endsWith(store.held!.certificatePem));
    identity.stop();
  });
});
