import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '@weft/testkit';
import type { PeerWhyResponse } from '@weft/wire';
import { TrafficWindow } from '../observation/traffic-window.ts';
import { PeerRoom, type PeerRoomOptions } from './peer-room.ts';
import { ReplicaDesk, type ReplicaDeskOptions } from './replica-desk.ts';

const answer: PeerWhyResponse = { hops: [], rings: [{ proxy: 'shop/web-1', silent: '', reach: null }] };

/** The desk of replica `one`, which asks no proxies. */
function stage(): { readonly desk: ReplicaDesk; readonly asked: string[] } {
  const clock = new FakeClock();
  const options = { replica: 'one', book: {}, window: new TrafficWindow(clock), clock };
  const asked: string[] = [];
  const observation = {
    whyHere: (request: string, awaitMs: number) => {
      asked.push(`${request} ${awaitMs}`);
      return Promise.resolve(answer);
    },
  };
  const room = new PeerRoom(options as unknown as PeerRoomOptions);
  return { desk: new ReplicaDesk({ room, observation } as unknown as ReplicaDeskOptions), asked };
}

test('who bears the name of this replica is told so, whatever it says or asks', async () => {
  const { desk, asked } = stage();
  const answers = [
    await desk.tell({ replica: 'one', whole: true, instances: [], removed: [], awaitMs: 0, asks: true }),
    await desk.count({ replica: 'one', proxies: [], lost: 0 }),
    await desk.why({ replica: 'one', request: 'r1', awaitMs: 10 }),
  ];
  for (const told of answers) {
    assert.ok(!told.ok && told.error.code === 'FailedPrecondition');
    assert.equal(told.error.message, 'two replicas are named one');
  }
  assert.deepEqual(asked, []);
});

test('another replica is answered what the proxies here remember', async () => {
  const { desk, asked } = stage();
  assert.deepEqual(await desk.why({ replica: 'two', request: 'r1', awaitMs: 10 }), { ok: true, value: answer });
  assert.deepEqual(asked, ['r1 10']);
});
