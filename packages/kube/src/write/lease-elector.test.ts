import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { FakeClock, ScriptedApiServer, eventually } from '@weft/testkit';
import { KubeClient } from '../client/kube-client.ts';
import { LeaseElector } from './lease-elector.ts';

interface LeaseSpec {
  readonly leaseTransitions: number;
}

const WAIT_MS = 3000;

async function begin(t: TestContext) {
  const server = new ScriptedApiServer();
  const url = await server.listen();
  const clock = new FakeClock();
  const wheel = clock.wheel();
  t.after(() => server.close());
  const replica = (identity: string) => {
    const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft' });
    const heard: boolean[] = [];
    const troubles: string[] = [];
    const elector = new LeaseElector({
      client,
      namespace: 'weft',
      name: 'weft-control',
      identity,
      clock,
      wheel,
      random: seededRandom(1),
      onChange: (leads) => heard.push(leads),
      onTrouble: ({ message }) => troubles.push(message),
    });
    t.after(async () => {
      await elector.stop();
      await client.close();
    });
    return { elector, heard, troubles };
  };
  /** Time goes on while answers come in. */
  const until = (condition: () => boolean, stepMs = 500): Promise<unknown> =>
    eventually(() => {
      clock.advance(stepMs);
      return condition();
    }, WAIT_MS);
  return { server, clock, replica, until };
}

test('the first takes the Lease, the second waits, and gets it at once when it is given back', async (t) => {
  const { server, replica, until, clock } = await begin(t);
  const one = replica('one');
  const two = replica('two');
  one.elector.start();
  await until(() => one.elector.isLeader);
  two.elector.start();
  const before = server.calls.length;
  await until(() => server.calls.length > before + 12);
  assert.deepEqual([one.elector.isLeader, two.elector.isLeader], [true, false]);
  const transitions = (): unknown =>
    (server.get('Lease', 'weft', 'weft-control')!['spec'] as LeaseSpec).leaseTransitions;
  assert.equal(transitions(), 0);
  await one.elector.stop();
  const stoppedMs = clock.nowMs();
  await until(() => two.elector.isLeader, 100);
  assert.ok(clock.nowMs() - stoppedMs < 4000);
  assert.equal(transitions(), 1);
});

test('a leader that cannot renew stops to lead before another may, and never do two lead', async (t) => {
  const { server, replica, until, clock } = await begin(t);
  const one = replica('one');
  const two = replica('two');
  let cut = false;
  server.fault = ({ method, body }) => {
    const holder = (body as { spec?: { holderIdentity?: string } } | undefined)?.spec?.holderIdentity;
    return cut && method !== 'GET' && holder === 'one' ? 'reset' : undefined;
  };
  one.elector.start();
  await until(() => one.elector.isLeader);
  two.elector.start();
  cut = true;
  let lostMs = 0;
  let both = 0;
  await until(() => {
    if (!one.elector.isLeader && lostMs === 0) lostMs = clock.nowMs();
    if (one.elector.isLeader && two.elector.isLeader) both += 1;
    return two.elector.isLeader;
  });
  assert.equal(both, 0);
  assert.ok(lostMs > 0 && lostMs < clock.nowMs(), 'there was a time without a leader');
  assert.deepEqual(one.heard, [true, false]);
});

test('leadership ends with time alone, before anybody has looked', async (t) => {
  const { replica, until, clock, server } = await begin(t);
  const one = replica('one');
  one.elector.start();
  await until(() => one.elector.isLeader);
  server.fault = () => 'hang';
  clock.advance(9_900);
  clock.advance(200);
  assert.equal(one.elector.isLeader, false);
});

test('a Lease that nobody holds any more is taken after its time, by durations and not by its dates', async (t) => {
  const { server, replica, until, clock } = await begin(t);
  server.put({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'weft-control', namespace: 'weft' },
    // The clock of that machine was years ahead.
    spec: { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: '2099-01-01T00:00:00.000000Z' },
  });
  const one = replica('one');
  const beganMs = clock.nowMs();
  one.elector.start();
  await until(() => one.elector.isLeader);
  assert.ok(clock.nowMs() - beganMs >= 15_000);
});
