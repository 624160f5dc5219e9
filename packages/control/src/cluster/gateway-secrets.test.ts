import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createServerRoot, issueServerCertificate } from '@weft/identity';
import { TimerWheel, seededRandom, systemClock } from '@weft/kernel';
import { KubeClient } from '@weft/kube';
import { Model, type ObjectKey, statusOf, readDocuments, readObject } from '@weft/model';
import { ScriptedApiServer, eventually } from '@weft/testkit';
import { GatewaySecrets } from './gateway-secrets.ts';

const WAIT_MS = 3000;
const HOUR_MS = 3_600_000;

const CLASS = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weft}
spec: {controllerName: weft.dev/gateway-controller}
`;

function gateway(...refs: string[]): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop, namespace: edge}
spec:
  gatewayClassName: weft
  listeners: [{name: web, port: 443, protocol: HTTPS, tls: {certificateRefs: [${refs.join(', ')}]}}]
`;
}

const GRANT = `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: edge, namespace: keys}
spec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: edge}], to: [{group: '', kind: Secret}]}
`;

interface Pair {
  readonly certificatePem: string;
  readonly keyPem: string;
}

async function pair(): Promise<Pair> {
  const nowMs = systemClock.wallMs();
  const root = await createServerRoot(24 * HOUR_MS, nowMs);
  const issued = await issueServerCertificate(root, ['shop.example'], HOUR_MS, nowMs);
  assert.ok(issued.ok);
  return issued.value;
}

function apply(model: Model, text: string): void {
  for (const { raw, origin } of readDocuments(text, '').documents) {
    const { object, problems } = readObject(raw, origin);
    assert.ok(object !== undefined, JSON.stringify(problems));
    model.applyChanges([{ type: 'Upsert', object }]);
  }
}

async function place(t: TestContext, text: string) {
  const server = new ScriptedApiServer();
  const url = await server.listen();
  const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft-system' });
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const model = new Model();
  apply(model, CLASS + (text.startsWith('\n') ? `---${text}` : text));
  const changed: ObjectKey[] = [];
  const secrets = new GatewaySecrets({
    client,
    clock: systemClock,
    wheel,
    random: seededRandom(1),
    model,
    changed: (gateways) => changed.push(...gateways),
  });
  t.after(async () => {
    await secrets.stop();
    await client.close();
    wheel.stop();
    await server.close();
  });
  const put = (namespace: string, name: string, { certificatePem, keyPem }: Pair, type = 'kubernetes.io/tls'): void => {
    const data = {
      'tls.crt': Buffer.from(certificatePem).toString('base64'),
      'tls.key': Buffer.from(keyPem).toString('base64'),
    };
    server.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type, data });
  };
  const resolved = (): { status: string; reason: string; message: string } => {
    const [listener] = statusOf(model, 'Gateway/edge/shop')?.listeners ?? [];
    const found = listener?.conditions.find(({ type }) => type === 'ResolvedRefs');
    assert.ok(found !== undefined);
    return { status: String(found.status), reason: found.reason, message: found.message };
  };
  return { server, model, secrets, changed, put, resolved };
}

test('a Secret is read by its name alone, given to its Gateway, and read again when it changes', async (t) => {
  const { server, secrets, put, changed, resolved } = await place(t, gateway('{name: shop-tls}'));
  const [first, second] = [await pair(), await pair()];
  put('edge', 'shop-tls', first);
  put('edge', 'other', second);
  secrets.refresh();
  await eventually(() => secrets.certificatesOf('edge/shop').length === 1, WAIT_MS);
  const [held] = secrets.certificatesOf('edge/shop');
  assert.equal(Buffer.from(held!.key).toString(), first.keyPem);
  assert.equal(held!.name, 'edge/shop-tls');
  assert.deepEqual(resolved().status, 'True');
  for (const { path, query } of server.calls) {
    assert.equal(path, '/api/v1/namespaces/edge/secrets');
    assert.equal(query.get('fieldSelector'), 'metadata.name=shop-tls');
  }
  changed.length = 0;
  put('edge', 'shop-tls', second);
  await eventually(() => changed.length > 0, WAIT_MS);
  assert.deepEqual(changed, ['Gateway/edge/shop']);
  assert.equal(Buffer.from(secrets.certificatesOf('edge/shop')[0]!.key).toString(), second.keyPem);
});

test('one that is missing, half, foreign or unreadable is said in the status, and the pair before it goes on', async (t) => {
  const { server, secrets, put, resolved } = await place(t, gateway('{name: shop-tls}'));
  secrets.refresh();
  await eventually(() => resolved().status === 'False', WAIT_MS);
  assert.deepEqual(resolved(), {
    status: 'False',
    reason: 'InvalidCertificateRef',
    message: 'Secret edge/shop-tls does not exist',
  });
  const [first, second] = [await pair(), await pair()];
  for (const [given, expected] of [
    [{ certificatePem: '', keyPem: first.keyPem }, /holds no tls\.crt$/],
    [{ certificatePem: 'x', keyPem: first.keyPem }, /holds no certificate that can be read/],
    [{ certificatePem: first.certificatePem, keyPem: 'x' }, /holds no private key that can be read/],
    [{ certificatePem: first.certificatePem, keyPem: second.keyPem }, /tls\.key that is not the key of tls\.crt/],
    [{ certificatePem: 'x'.repeat(200_000), keyPem: 'x' }, /more than 131072 bytes/],
  ] as const) {
    put('edge', 'shop-tls', given);
    await eventually(() => expected.test(resolved().message), WAIT_MS);
    assert.deepEqual(secrets.certificatesOf('edge/shop'), []);
  }
  put('edge', 'shop-tls', first);
  await eventually(() => resolved().status === 'True', WAIT_MS);
  server.remove('Secret', 'edge', 'shop-tls');
  await eventually(() => resolved().status === 'False', WAIT_MS);
  assert.equal(secrets.certificatesOf('edge/shop').length, 1);
});

test('a Secret that may not be read says which value of the chart is missing', async (t) => {
  const { server, secrets, resolved } = await place(t, gateway('{name: shop-tls}'));
  server.fault = () => ({ status: 403, reason: 'Forbidden' });
  secrets.refresh();
  await eventually(() => resolved().status === 'False', WAIT_MS);
  assert.match(resolved().message, /may not be read .* gatewayCertificates: \{edge: \[shop-tls\]\}$/);
});

test('a Secret of another namespace is looked at only once a ReferenceGrant lets it be named', async (t) => {
  const { server, model, secrets, put, resolved } = await place(t, gateway('{name: shop-tls, namespace: keys}'));
  put('keys', 'shop-tls', await pair());
  secrets.refresh();
  assert.equal(resolved().reason, 'RefNotPermitted');
  assert.deepEqual(server.calls, []);
  apply(model, GRANT);
  secrets.refresh();
  await eventually(() => secrets.certificatesOf('edge/shop').length === 1, WAIT_MS);
  assert.equal(resolved().status, 'True');
  model.applyChanges([{ type: 'Remove', key: 'ReferenceGrant/keys/edge' }]);
  secrets.refresh();
  assert.deepEqual(secrets.certificatesOf('edge/shop'), []);
  await eventually(() => server.openWatches === 0, WAIT_MS);
});
