import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Result, fail, ok } from '@weft/kernel';
import type { CallFault, GetTrafficRequest, GetTrafficResponse } from '@weft/wire';
import { probeControl } from './control-probe.ts';

function stage(answer: Result<GetTrafficResponse, CallFault>) {
  const asked: GetTrafficRequest[] = [];
  const getTraffic = (request: GetTrafficRequest): Promise<Result<GetTrafficResponse, CallFault>> => {
    asked.push(request);
    return Promise.resolve(answer);
  };
  return { admin: { getTraffic }, asked };
}

const knowing = (...names: readonly string[]): GetTrafficResponse => ({
  coveredMs: 0,
  proxies: 0,
  edges: [],
  replicas: names.map((replica) => ({ replica, silent: '' })),
});

test('the only control plane is not asked before it is asked in earnest', async () => {
  const { admin, asked } = stage(fail({ code: 'Unavailable', message: 'gone' }));
  assert.deepEqual(await probeControl(admin, 1), { silence: '', isAlone: false });
  assert.deepEqual(asked, []);
});

test('one of several is asked once, for what it knows without the others', async () => {
  const { admin, asked } = stage(ok(knowing('one', 'two')));
  assert.deepEqual(await probeControl(admin, 2), { silence: '', isAlone: false });
  assert.equal(asked.length, 1);
});

test('one that is away says why, one that refuses is there, and one of an older version speaks for itself', async () => {
  const probed = async (answer: Result<GetTrafficResponse, CallFault>) => probeControl(stage(answer).admin, 3);
  for (const code of ['Unavailable', 'DeadlineExceeded'] as const) {
    assert.deepEqual(await probed(fail({ code, message: 'no answer' })), { silence: 'no answer', isAlone: false });
  }
  const refused = await probed(fail({ code: 'PermissionDenied', message: 'not you' }));
  assert.deepEqual(refused, { silence: '', isAlone: false });
  assert.deepEqual(await probed(ok(knowing())), { silence: '', isAlone: true });
});
