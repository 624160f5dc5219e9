import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ok } from '@weft/kernel';
import { KubeClient } from '@weft/kube';
import { FakeClock, ScriptedApiServer, type ScriptedObject, eventually } from '@weft/testkit';
import {
  AdminClient,
  AdminServer,
  type AdminService,
  type CallFault,
  type ServerInfo,
  type TapRequest,
} from '@weft/wire';
import { AdminAccess } from './admin-access.ts';

const WAIT_MS = 3000;

/** Users by token, and what each may read. */
const users: Readonly<Record<string, { readonly audience: string; readonly may: readonly string[] }>> = {
  viewer: { audience: '', may: ['status', 'config'] },
  tapper: { audience: 'weft-admin', may: ['status', 'config', 'tap'] },
  nobody: { audience: '', may: [] },
};

const serverInfo: ServerInfo = {
  server: 'one',
  mesh: 'mesh',
  version: '0.1.0',
  trustDomain: 'mesh',
  startedAtMs: 1,
  address: '',
  source: '',
  proxies: 0,
  objects: 0,
  objectsRefused: 0,
  replicas: [],
};

interface Place {
  readonly server: ScriptedApiServer;
  readonly clock: FakeClock;
  readonly rights: Map<string, readonly string[]>;
  readonly stopped: string[];
  reviews(kind: string): number;
  client(token: string): AdminClient;
}

async function place(t: TestContext): Promise<Place> {
  const server = new ScriptedApiServer();
  const rights = new Map(Object.entries(users).map(([name, { may }]) => [name, may]));
  server.review = (object: ScriptedObject): unknown => {
    const spec = object['spec'] as {
      token?: string;
      audiences?: string[];
      user?: string;
      resourceAttributes?: { group: string; verb: string; resource: string; subresource: string };
    };
    if (object.kind === 'TokenReview') {
      const user = users[spec.token ?? ''];
      const audience = spec.audiences?.[0] ?? '';
      if (user === undefined || user.audience !== audience) return { authenticated: false };
      return { authenticated: true, audiences: [audience], user: { username: spec.token, groups: ['staff'] } };
    }
    const { group, verb, resource, subresource = '' } = spec.resourceAttributes!;
    const isOurs = group === 'weft.dev' && verb === 'get' && resource === 'proxies';
    return { allowed: isOurs && rights.get(spec.user ?? '')?.includes(subresource) === true };
  };
  const url = await server.listen();
  const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft-system' });
  const clock = new FakeClock();
  const wheel = clock.wheel();
  const stopped: string[] = [];
  const nothing = { code: 'NotFound' as const, message: 'nothing of the kind here' };
  const service = {
    getServer: () => ok(serverInfo),
    getConfig: () => ({ ok: false, error: nothing }),
    why: () => ok({ hops: [], rings: [] }),
    tap: (_request: TapRequest, emit: (event: object) => void) => {
      emit({ proxy: 'shop/cart-1', requests: [], dropped: 3, replicas: [] });
      return ok(() => void stopped.push('tap'));
    },
  } as unknown as AdminService;
  const guard = new AdminAccess({
    service,
    client,
    clock,
    wheel,
    dashboard: (mayTap) => ({ address: 'http://127.0.0.1:1', token: mayTap ? 'all' : 'calm' }),
  });
  const folder = mkdtempSync(join(tmpdir(), 'weft-access-'));
  const admin = new AdminServer(guard);
  const listening = await admin.listen(join(folder, 'a'));
  assert.ok(listening.ok);
  const clients: AdminClient[] = [];
  t.after(async () => {
    for (const each of clients) each.close();
    await admin.close();
    await client.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });
  return {
    server,
    clock,
    rights,
    stopped,
    reviews: (kind) => server.calls.filter(({ path }) => path.endsWith(`/${kind}`)).length,
    client: (token) => {
      const made = new AdminClient(join(folder, 'a'), () => token);
      clients.push(made);
      return made;
    },
  };
}

const tapRequest: TapRequest = {
  target: '',
  lastsMs: 0,
  filter: {
    direction: 'Both',
    destination: '',
    method: '',
    path: '',
    statusFrom: 0,
    statusTo: 0,
    slowerThanMs: 0,
    maxRate: 10,
    showValues: false,
  },
};

test('whoever the roles let look may look, and is told in one line what they lack', async (t) => {
  const { client } = await place(t);
  const viewer = client('viewer');
  assert.equal((await viewer.getServer()).ok, true);
  const config = await viewer.getConfig({ proxy: 'x', keyPrefix: '' });
  assert.equal(config.ok ? '' : config.error.code, 'NotFound');
  const why = await viewer.why('4bf92f3577b34da6a3ce929d0e0e4736');
  assert.deepEqual(why, {
    ok: false,
    error: {
      code: 'PermissionDenied',
      message: 'viewer may not get proxies/tap of weft.dev in all namespaces; the ClusterRole weft-tap allows it',
    },
  });
  const refused = new Promise<CallFault | null>((resolve) => viewer.tap(tapRequest, () => undefined, resolve));
  assert.equal((await refused)?.code, 'PermissionDenied');
  const own = client('nobody');
  const status = await own.getServer();
  assert.match(status.ok ? '' : status.error.message, /^nobody may not get proxies\/status .* weft-viewer allows it$/);
});

test('a token of nobody, or none, is refused before anything is asked of the desk', async (t) => {
  const { client } = await place(t);
  const none = await client('').getServer();
  assert.equal(none.ok ? '' : none.error.code, 'Unauthenticated');
  const forged = await client('forged').getServer();
  assert.match(forged.ok ? '' : forged.error.message, /does not take this token/);
  const long = await client('x'.repeat(20_000)).getServer();
  assert.equal(long.ok, false);
});

test('join tokens are not made over this port, whatever the caller may', async (t) => {
  const { client } = await place(t);
  const asked = { namespace: 'shop', service: 'cart', serviceAccount: '', lifetimeMs: 0 };
  const made = await client('tapper').createToken(asked);
  assert.equal(made.ok ? '' : made.error.code, 'PermissionDenied');
});

test('answers are held for half a minute, refusals for five seconds', async (t) => {
  const { client, clock, rights, reviews } = await place(t);
  const viewer = client('viewer');
  for (let turn = 0; turn < 5; turn += 1) assert.equal((await viewer.getServer()).ok, true);
  // One for our audience, one for the API server's.
  assert.equal(reviews('tokenreviews'), 2);
  assert.equal(reviews('subjectaccessreviews'), 1);
  assert.equal((await viewer.why('a')).ok, false);
  rights.set('viewer', ['status', 'config', 'tap']);
  assert.equal((await viewer.why('a')).ok, false);
  clock.advance(5_001);
  assert.equal((await viewer.why('a')).ok, true);
  rights.set('viewer', []);
  clock.advance(30_001);
  assert.equal((await viewer.why('a')).ok, false);
});

test('a tap ends within a minute and a half after the right to it is gone', async (t) => {
  const { client, clock, rights, stopped } = await place(t);
  let dropped = 0;
  const ended = new Promise<CallFault | null>((resolve) => {
    client('tapper').tap(tapRequest, (event) => (dropped += event.dropped), resolve);
  });
  await eventually(() => dropped === 3, WAIT_MS);
  rights.set('tapper', ['status']);
  clock.advance(61_000);
  const fault = await ended;
  assert.equal(fault?.code, 'PermissionDenied');
  assert.deepEqual(stopped, ['tap']);
});

test('an API server that is away lets nobody in, and cuts nobody off', async (t) => {
  const { client, clock, server, stopped } = await place(t);
  let dropped = 0;
  let isEnded = false;
  client('tapper').tap(
    tapRequest,
    (event) => (dropped += event.dropped),
    () => (isEnded = true),
  );
  await eventually(() => dropped === 3, WAIT_MS);
  server.fault = () => 'reset';
  clock.advance(61_000);
  const asked = await client('viewer').getServer();
  assert.equal(asked.ok ? '' : asked.error.code, 'Unavailable');
  assert.equal(isEnded, false);
  assert.deepEqual(stopped, []);
});

test('a dashboard shows single requests only to whom they are shown elsewhere', async (t) => {
  const { client } = await place(t);
  const calm = await client('viewer').getDashboard();
  assert.equal(calm.ok ? calm.value.token : '', 'calm');
  const all = await client('tapper').getDashboard();
  assert.equal(all.ok ? all.value.token : '', 'all');
});

test('many strangers at once do not become many questions to the API server', async (t) => {
  const { client, server } = await place(t);
  server.fault = () => 'hang';
  const asked = Array.from({ length: 40 }, (_, at) => client(`stranger-${at}`).getServer());
  const first = await Promise.race(asked);
  assert.equal(first.ok ? '' : first.error.code, 'ResourceExhausted');
  assert.ok(server.calls.length <= 16);
});
