import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import { KubeClient } from '@weft/kube';
import { FakeClock, ScriptedApiServer, eventually } from '@weft/testkit';
import { RecordedLog } from '../control-harness.ts';
import { SharedCounts } from './shared-counts.ts';

const WAIT_MS = 3000;
const KEY = 'HTTPRoute/shop/orders' as const;

async function begin(t: TestContext) {
  const server = new ScriptedApiServer();
  const url = await server.listen();
  t.after(() => server.close());
  const clock = new FakeClock();
  const wheel = clock.wheel();
  const replica = (name: string) => {
    const client = new KubeClient({ description: '', server: url, token: () => '', namespace: 'weft' });
    const counts = new SharedCounts({
      client,
      namespace: 'weft',
      replica: name,
      clock,
      wheel,
      random: seededRandom(1),
      log: new RecordedLog(),
    });
    counts.start();
    let stopped: Promise<void> | null = null;
    const stop = (): Promise<void> => (stopped ??= counts.stop().then(() => client.close()));
    t.after(stop);
    return { counts, stop };
  };
  const writes = () => server.calls.filter(({ method }) => method === 'PATCH').length;
  return { server, clock, replica, writes };
}

test('what one replica counts is added to what the others count, and not to its own', async (t) => {
  const { replica, writes } = await begin(t);
  const [one, two, three] = [replica('one'), replica('two'), replica('three')];
  one.counts.publish(new Map([[KEY, { holders: 3, behind: 1 }]]));
  two.counts.publish(new Map([[KEY, { holders: 5, behind: 0 }]]));
  await eventually(() => assert.deepEqual(three.counts.elsewhere(KEY), { holders: 8, behind: 1 }), WAIT_MS);
  await eventually(() => assert.deepEqual(one.counts.elsewhere(KEY), { holders: 5, behind: 0 }), WAIT_MS);
  assert.equal(writes(), 2);
  // No news: nothing is written.
  one.counts.publish(new Map([[KEY, { holders: 3, behind: 1 }]]));
  assert.equal(writes(), 2);
});

test('a replica that stops takes its counts along; one that dies is believed for a while only', async (t) => {
  const { replica, clock } = await begin(t);
  const [one, two] = [replica('one'), replica('two')];
  two.counts.publish(new Map([[KEY, { holders: 5, behind: 0 }]]));
  await eventually(() => one.counts.elsewhere(KEY).holders === 5, WAIT_MS);
  clock.advance(91_000);
  assert.equal(one.counts.elsewhere(KEY).holders, 0);
  two.counts.publish(new Map([[KEY, { holders: 6, behind: 0 }]]));
  await eventually(() => one.counts.elsewhere(KEY).holders === 6, WAIT_MS);
  await two.stop();
  await eventually(() => one.counts.elsewhere(KEY).holders === 0, WAIT_MS);
});

test('a ConfigMap that somebody else wrote is read as far as it makes sense', async (t) => {
  const { server, replica } = await begin(t);
  const { counts } = replica('one');
  server.put({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'weft-counts-x', namespace: 'weft', labels: { 'weft.dev/counts': 'true' } },
    data: { counts: `nonsense\n${KEY} 2 1\n${KEY} -4 x\nA/b/c 99999999999999 1\n` },
  });
  await eventually(() => assert.deepEqual(counts.elsewhere(KEY), { holders: 2, behind: 1 }), WAIT_MS);
  assert.equal(counts.elsewhere('A/b/c').holders, 0);
});
