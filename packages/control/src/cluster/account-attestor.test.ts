import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { KubeClient, type PodFacts } from '@weft/kube';
import { ScriptedApiServer } from '@weft/testkit';
import { attestAccount } from './account-attestor.ts';

const pod: PodFacts = {
  name: 'cart-1',
  namespace: 'shop',
  uid: 'u1',
  labels: {},
  serviceAccount: 'cart',
  node: 'n1',
  address: '10.0.0.1',
  addresses: ['10.0.0.1'],
  hostNetwork: false,
  createdAtMs: 0,
  isTerminating: false,
  isOver: false,
  isReady: true,
  sidecar: undefined,
};

interface Said {
  readonly authenticated?: boolean;
  readonly audiences?: readonly string[];
  readonly username?: string;
  readonly extra?: Readonly<Record<string, string>>;
}

async function attest(t: TestContext, said: Said, known: PodFacts | undefined): Promise<string> {
  const server = new ScriptedApiServer();
  const url = await server.listen();
  const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft' });
  t.after(async () => {
    await client.close();
    await server.close();
  });
  const { authenticated = true, audiences = ['weft'], username = 'system:serviceaccount:shop:cart' } = said;
  const extra = { 'pod-name': 'cart-1', 'pod-uid': 'u1', 'node-name': 'n1', ...said.extra };
  server.review = () => ({
    authenticated,
    audiences,
    user: {
      username,
      extra: Object.fromEntries(
        Object.entries(extra).map(([name, value]) => [
          `authentication.kubernetes.io/${name}`,
          value === '' ? [] : [value],
        ]),
      ),
    },
  });
  const result = await attestAccount(client, () => known, 'a token');
  return result.ok ? `${result.value.namespace}/${result.value.serviceAccount}` : result.error.message;
}

test('a token of a running pod stands for its account', async (t) => {
  assert.equal(await attest(t, {}, pod), 'shop/cart');
});

for (const [what, said, known, pattern] of [
  ['one that the server does not take', { authenticated: false }, pod, /does not take this token/],
  ['one for another audience', { audiences: ['api'] }, pod, /does not take this token for the audience weft/],
  ['one of a server that knows no audiences', { audiences: [] }, pod, /does not take this token/],
  ['one of a person', { username: 'admin' }, pod, /admin is no service account/],
  ['one that is bound to no pod', { extra: { 'pod-name': '', 'pod-uid': '' } }, pod, /bound to no pod/],
  ['one of a pod that is gone', {}, undefined, /is not there/],
  ['one of an earlier pod of the name', { extra: { 'pod-uid': 'u0' } }, pod, /another one than the token was made for/],
  ['one of another account than the pod has', {}, { ...pod, serviceAccount: 'other' }, /runs as other, not as cart/],
  [
    'one from another node than the pod is on',
    { extra: { 'node-name': 'n2' } },
    pod,
    /runs on n1, and its token came from n2/,
  ],
  ['one of a pod that has ended', {}, { ...pod, isOver: true }, /has ended/],
] as const) {
  test(`a token is refused: ${what}`, async (t) => {
    assert.match(await attest(t, said, known), pattern);
  });
}
