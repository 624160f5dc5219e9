/**
 * Secrets of Gateways, read with the rights that an installation gives and no others, by a control plane whose every request to the
 * API server is written down.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { request as send } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type TestContext, describe, test } from 'node:test';
import { createServerRoot, issueServerCertificate } from '@weft/identity';
import { systemClock } from '@weft/kernel';
import type { KubeObject } from '@weft/kube';
import { eventually } from '@weft/testkit';
import {
  WAIT_MS,
  accessFor,
  adminAccess,
  conditionOf,
  needsCluster,
  startReplica,
  useCluster,
} from './cluster-fixture.ts';
import { gatewayDefinitions } from './gateway-definitions.ts';

const HOUR_MS = 3_600_000;
const GROUP = 'gateway.networking.k8s.io';

/** A way to the API server on which each request is written down as `VERB path?query`. */
async function recorder(t: TestContext): Promise<{ url: string; seen: string[] }> {
  const { server, ca } = adminAccess();
  const seen: string[] = [];
  const door = createServer((request, response) => {
    const { method = '', url = '/', headers } = request;
    seen.push(`${method} ${url}`);
    const onward = send(
      `${server}${url}`,
      { method, headers: { ...headers, host: new URL(server).host }, ca },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    door.closeAllConnections();
    door.close();
  });
  return { url: `http://127.0.0.1:${(door.address() as AddressInfo).port}`, seen };
}

async function certificateSecret(namespace: string, name: string): Promise<KubeObject> {
  const nowMs = systemClock.wallMs();
  const root = await createServerRoot(24 * HOUR_MS, nowMs);
  const issued = await issueServerCertificate(root, [`${name}.example`], HOUR_MS, nowMs);
  assert.ok(issued.ok);
  const data = {
    'tls.crt': Buffer.from(issued.value.certificatePem).toString('base64'),
    'tls.key': Buffer.from(issued.value.keyPem).toString('base64'),
  };
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type: 'kubernetes.io/tls', data };
}

describe('the Secrets of a namespace', needsCluster, () => {
  test('are read where a Gateway names them and the installation lets them be read, each by its name alone', async (t) => {
    const { cluster, namespace } = await useCluster(t);
    await cluster.must(...gatewayDefinitions('standard'));
    const rights = accessFor(namespace, { gatewayCertificates: { [namespace]: ['named'] } });
    await cluster.must(...rights);
    for (const object of rights)
      if (object.metadata.namespace === undefined) cluster.defer(() => cluster.delete(object));
    const ofClass: KubeObject = {
      apiVersion: `${GROUP}/v1`,
      kind: 'GatewayClass',
      metadata: { name: namespace },
      spec: { controllerName: 'weft.dev/gateway-controller' },
    };
    const gateway = (name: string, secret: string): KubeObject => ({
      apiVersion: `${GROUP}/v1`,
      kind: 'Gateway',
      metadata: { name, namespace },
      spec: {
        gatewayClassName: namespace,
        listeners: [
          {
            name: 'https',
            port: 443,
            protocol: 'HTTPS',
            tls: { mode: 'Terminate', certificateRefs: [{ name: secret }] },
          },
        ],
      },
    });
    const [served, refused] = [gateway('served', 'named'), gateway('refused', 'not-granted')];
    for (const name of ['named', 'not-granted', 'bystander'])
      await cluster.must(await certificateSecret(namespace, name));
    await eventually(() => cluster.must(ofClass), WAIT_MS);
    cluster.defer(() => cluster.delete(ofClass));
    await cluster.must(served, refused);

    const { url, seen } = await recorder(t);
    const token = await cluster.token(namespace, 'weft-control', '');
    const access = { description: 'as an installation', server: url, token: () => token, namespace };
    await startReplica(t, namespace, 'one', { access });
    const listener = async (of: KubeObject): Promise<Readonly<Record<string, unknown>> | undefined> => {
      const status = (await cluster.get(of))?.['status'] as { listeners?: { conditions: object[] }[] } | undefined;
      return conditionOf({ ...of, status: { conditions: status?.listeners?.[0]?.conditions ?? [] } }, 'ResolvedRefs');
    };
    await eventually(async () => {
      assert.equal((await listener(served))?.['status'], 'True', JSON.stringify(await listener(served)));
      const told = await listener(refused);
      assert.equal(told?.['status'], 'False');
      assert.match(
        String(told?.['message']),
        /not-granted may not be read .* gatewayCertificates: \{.*: \[not-granted\]\}/,
      );
    }, WAIT_MS);

    const asked = seen.filter((each) => /\/secrets(?:[/?]|$)/.test(each)).map((each) => decodeURIComponent(each));
    const names = asked.map(
      (each) => /(?:metadata\.name=|\/secrets\/)([a-z-]+)/.exec(each)?.[1] ?? (each.startsWith('POST') ? 'made' : each),
    );
    assert.deepEqual([...new Set(names)].sort(), ['made', 'named', 'not-granted', 'weft-root']);
    assert.ok(asked.every((each) => each.includes(`/namespaces/${namespace}/`)));
    t.diagnostic(`${asked.length} requests for Secrets, each by one name: ${[...new Set(names)].sort().join(', ')}`);
  });

  test('are refused to its account by the API server, but for those by name', async (t) => {
    const { cluster, namespace } = await useCluster(t);
    const elsewhere = `${namespace}-edge`;
    const place: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: elsewhere } };
    await cluster.must(place);
    cluster.defer(() => cluster.delete(place));
    const rights = accessFor(namespace, { gatewayCertificates: { [elsewhere]: ['named'] } });
    await cluster.must(...rights);
    for (const object of rights)
      if (object.metadata.namespace === undefined) cluster.defer(() => cluster.delete(object));
    const allowed = async (verb: string, within: string, name = ''): Promise<boolean> => {
      const review = await cluster.client.request({
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SubjectAccessReview',
          spec: {
            user: `system:serviceaccount:${namespace}:weft-control`,
            groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
            resourceAttributes: { verb, resource: 'secrets', namespace: within, ...(name === '' ? {} : { name }) },
          },
        },
      });
      if (!review.ok) throw new Error(review.error.message);
      return (review.value as { status: { allowed: boolean } }).status.allowed;
    };
    await eventually(async () => assert.ok(await allowed('watch', elsewhere, 'named')), WAIT_MS);
    assert.ok(await allowed('get', namespace, 'weft-root'));
    for (const verb of ['get', 'list', 'watch']) {
      for (const [within, name] of [
        [elsewhere, ''],
        [elsewhere, 'other'],
        [namespace, ''],
        [namespace, 'other'],
        ['kube-system', ''],
        ['default', 'named'],
      ] as const) {
        assert.equal(await allowed(verb, within, name), false, `${verb} ${within}/${name}`);
      }
    }
    for (const verb of ['update', 'patch', 'delete', 'create'])
      assert.equal(await allowed(verb, elsewhere, 'named'), false, verb);
  });
});
