import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TimerWheel, seededRandom, systemClock } from '@weft/kernel';
import { FakeClock, ScriptedApiServer, eventually } from '@weft/testkit';
import { KubeClient } from '../client/kube-client.ts';
import { KindWatch, type KindWatchOptions } from './kind-watch.ts';

const WAIT_MS = 3000;

function pod(name: string, address = '10.0.0.1') {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'shop' }, status: { podIP: address } };
}

async function begin(
  t: TestContext,
  prepare: (server: ScriptedApiServer) => void = () => undefined,
  own: Partial<KindWatchOptions> = {},
) {
  const server = new ScriptedApiServer();
  prepare(server);
  const url = await server.listen();
  const client = new KubeClient({
    description: 'a scripted server',
    server: url,
    token: () => '',
    namespace: 'default',
  });
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const heard: string[] = [];
  let lists = 0;
  const troubles: string[] = [];
  const watch = new KindWatch<string>(
    client,
    {
      path: '/api/v1/pods',
      trim: (raw) => String((raw['status'] as { podIP?: string } | undefined)?.podIP ?? ''),
    },
    {
      changed: (name, value) => heard.push(value === undefined ? `-${name}` : `${name}=${value}`),
      synced: () => (lists += 1),
      troubled: ({ message }) => troubles.push(message),
    },
    { clock: systemClock, wheel, random: seededRandom(1), ...own },
  );
  t.after(async () => {
    await watch.stop();
    await client.close();
    wheel.stop();
    await server.close();
  });
  watch.start();
  return {
    server,
    watch,
    heard,
    troubles,
    lists: () => lists,
    names: () => [...watch.values()].map(([name]) => name).sort(),
  };
}

for (const streams of [true, false]) {
  const how = streams ? 'streamed' : 'in pages';
  test(`lists ${how}, then follows what is added, changed and removed`, async (t) => {
    const { server, heard, names, lists } = await begin(t, (made) => {
      made.streamsLists = streams;
      for (let index = 0; index < 1200; index += 1) made.put(pod(`p${index}`));
    });
    await eventually(() => lists() === 1, WAIT_MS);
    assert.equal(names().length, 1200);
    heard.length = 0;
    await eventually(() => server.openWatches === 1, WAIT_MS);
    server.put(pod('new'));
    server.put(pod('p1', '10.0.0.2'));
    server.remove('Pod', 'shop', 'p2');
    await eventually(() => heard.length === 3, WAIT_MS);
    assert.deepEqual(heard, ['shop/new=10.0.0.1', 'shop/p1=10.0.0.2', '-shop/p2']);
    assert.equal(lists(), 1);
    if (!streams) {
      const pages = server.calls.filter(({ query }) => query.has('limit')).length;
      assert.equal(pages, 3);
    }
  });
}

test('a watch that ends or breaks goes on from the last version, without a list and without telling anything twice', async (t) => {
  const { server, watch, heard, lists } = await begin(t, (made) => made.put(pod('a')));
  await eventually(() => lists() === 1, WAIT_MS);
  for (const how of ['end', 'reset', 'end'] as const) {
    await eventually(() => server.openWatches === 1, WAIT_MS);
    const before = watch.watches;
    server.endWatches(how);
    server.put(pod(`after-${how}-${before}`));
    await eventually(() => watch.watches > before, WAIT_MS);
  }
  await eventually(() => heard.length === 4, WAIT_MS);
  assert.equal(lists(), 1);
  assert.equal(new Set(heard).size, heard.length);
});

test('bookmarks move the version on, so that a compaction behind it costs no list', async (t) => {
  const { server, lists, watch } = await begin(t, (made) => made.put(pod('a')));
  await eventually(() => server.openWatches === 1 && lists() === 1, WAIT_MS);
  // Something else happens in the cluster: versions go up, and nothing of ours changes.
  server.put({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'other', namespace: 'shop' } });
  server.compact();
  server.bookmark();
  server.put(pod('b'));
  await eventually(() => watch.get('shop/b') !== undefined, WAIT_MS);
  server.endWatches('end');
  await eventually(() => watch.watches >= 2 && server.openWatches === 1, WAIT_MS);
  assert.equal(watch.lists, 1);
});

test('410 leads to a list, and only what differs is told', async (t) => {
  const { server, watch, heard, lists } = await begin(t, (made) => {
    made.put(pod('kept'));
    made.put(pod('gone'));
  });
  await eventually(() => server.openWatches === 1 && lists() === 1, WAIT_MS);
  heard.length = 0;
  server.isSilent = true;
  server.remove('Pod', 'shop', 'gone');
  server.put(pod('new'));
  server.compact();
  server.isSilent = false;
  server.endWatches(410);
  await eventually(() => lists() === 2, WAIT_MS);
  assert.deepEqual(heard, ['-shop/gone', 'shop/new=10.0.0.1']);
  assert.equal(watch.lists, 2);
});

test('a storm of 410 is met with growing pauses, and ends in the right set', async (t) => {
  const clock = new FakeClock();
  const wheel = clock.wheel();
  let storm = false;
  const prepare = (made: ScriptedApiServer): void => {
    made.put(pod('a'));
    made.fault = ({ query }) => (storm && query.has('watch') ? { status: 410, reason: 'Expired' } : undefined);
  };
  const { server, names, lists, watch } = await begin(t, prepare, { clock, wheel });
  await eventually(() => lists() === 1 && server.openWatches === 1, WAIT_MS);
  const before = server.calls.length;
  storm = true;
  server.endWatches(410);
  let seconds = 0;
  await eventually(() => {
    clock.advance(2000);
    seconds += 2;
    return seconds >= 120;
  }, 10_000);
  const during = server.calls.length - before;
  assert.ok(during >= 4 && during < 30, `${during} requests in two minutes of storm`);
  assert.equal(watch.size, 1);
  server.put(pod('b'));
  storm = false;
  await eventually(() => {
    clock.advance(2000);
    return names().join() === 'shop/a,shop/b';
  }, WAIT_MS);
});

test('while the server is away nothing is removed, and afterwards the set is right', async (t) => {
  let away = false;
  const { server, watch, heard, troubles, lists } = await begin(t, (made) => {
    made.put(pod('a'));
    made.put(pod('b'));
    made.fault = () => (away ? 'reset' : undefined);
  });
  await eventually(() => lists() === 1 && server.openWatches === 1, WAIT_MS);
  heard.length = 0;
  away = true;
  server.endWatches('reset');
  await eventually(() => troubles.length > 0, WAIT_MS);
  assert.equal(watch.size, 2);
  assert.deepEqual(heard, []);
  server.remove('Pod', 'shop', 'a');
  away = false;
  await eventually(() => (heard as string[]).includes('-shop/a'), 10_000);
  assert.equal(watch.size, 1);
});

test('a list that breaks off in its middle changes nothing', async (t) => {
  let pages = 0;
  const { server, watch, lists, heard } = await begin(t, (made) => {
    made.streamsLists = false;
    for (let index = 0; index < 700; index += 1) made.put(pod(`p${index}`));
  });
  await eventually(() => lists() === 1 && server.openWatches === 1, WAIT_MS);
  heard.length = 0;
  server.fault = ({ query }) => {
    if (!query.has('continue')) return undefined;
    pages += 1;
    return pages === 1 ? 'reset' : undefined;
  };
  server.compact();
  server.endWatches(410);
  await eventually(() => lists() === 2, 10_000);
  assert.ok(pages >= 2);
  assert.equal(watch.size, 700);
  assert.deepEqual(heard, []);
});

test('a watch that died without a word is noticed by its silence', async (t) => {
  const clock = new FakeClock();
  const wheel = clock.wheel();
  const { server, watch, lists } = await begin(t, (made) => made.put(pod('a')), { clock, wheel, silenceMs: 90_000 });
  await eventually(() => lists() === 1 && server.openWatches === 1, WAIT_MS);
  server.isSilent = true;
  server.put(pod('b'));
  clock.advance(89_000);
  assert.equal(watch.silences, 0);
  clock.advance(2_000);
  assert.equal(watch.silences, 1);
  server.isSilent = false;
  await eventually(() => {
    clock.advance(1_000);
    return watch.get('shop/b') !== undefined;
  }, WAIT_MS);
});

test('bookmarks alone keep a watch alive', async (t) => {
  const clock = new FakeClock();
  const wheel = clock.wheel();
  const { server, watch, lists } = await begin(t, (made) => made.put(pod('a')), { clock, wheel, silenceMs: 90_000 });
  await eventually(() => lists() === 1 && server.openWatches === 1, WAIT_MS);
  for (let round = 0; round < 3; round += 1) {
    clock.advance(60_000);
    server.bookmark();
    // The bookmark is in when what was sent after it is.
    server.put(pod(`mark-${round}`));
    await eventually(() => watch.get(`shop/mark-${round}`) !== undefined, WAIT_MS);
  }
  assert.equal(watch.silences, 0);
  assert.equal(watch.watches, 1);
});

test('after the resync time a whole list is asked for, and puts right what was lost', async (t) => {
  const clock = new FakeClock();
  const wheel = clock.wheel();
  const { server, watch, lists } = await begin(t, (made) => made.put(pod('a')), { clock, wheel, resyncMs: 60_000 });
  await eventually(() => lists() === 1 && server.openWatches === 1, WAIT_MS);
  clock.advance(61_000);
  server.endWatches('end');
  await eventually(() => lists() === 2, WAIT_MS);
  assert.equal(watch.lists, 2);
});

test('a refusal is told once and tried again with pauses', async (t) => {
  const { server, troubles } = await begin(t, (made) => {
    made.fault = () => ({ status: 403, reason: 'Forbidden' });
  });
  await eventually(() => server.calls.length >= 3, WAIT_MS);
  assert.equal(troubles.length, 1);
});

test('nothing is heard after stop', async (t) => {
  const { server, watch, heard, lists } = await begin(t, (made) => made.put(pod('a')));
  await eventually(() => lists() === 1, WAIT_MS);
  await watch.stop();
  heard.length = 0;
  server.put(pod('b'));
  await eventually(() => server.openWatches === 0, WAIT_MS);
  assert.deepEqual(heard, []);
});
