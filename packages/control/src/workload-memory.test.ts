import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WorkloadInstance } from '@weft/model';
import { FakeClock } from '@weft/testkit';
import { RecordedLog, temporaryFolder } from './control-harness.ts';
import { WorkloadMemory } from './workload-memory.ts';

const instance = (workload: string): WorkloadInstance => ({
  workload,
  namespace: 'shop',
  serviceAccount: 'orders',
  labels: { app: 'orders' },
  zone: '',
  weight: 100,
  ports: [{ name: '', applicationPort: 80, meshPort: 15006 }],
  address: '10.0.0.1',
  identity: 'spiffe://cluster.local/ns/shop/sa/orders',
  draining: false,
});

test('instances and grants outlive the process, in a file for its owner only', (t) => {
  const folder = temporaryFolder(t);
  const clock = new FakeClock();
  const memory = new WorkloadMemory(folder, clock.wheel(), new RecordedLog());
  memory.grant('shop', 'orders', 'cart');
  for (const name of ['a', 'b']) memory.remember(instance(`shop/${name}`));
  memory.forget('shop/b');
  clock.advance(1000);
  assert.equal(statSync(join(folder, 'workloads.json')).mode & 0o777, 0o600);
  const next = new WorkloadMemory(folder, clock.wheel(), new RecordedLog());
  assert.deepEqual([...next.remembered.values()], [instance('shop/a')]);
  assert.equal(next.has('shop', 'orders', 'cart'), true);
  assert.equal(next.has('shop', 'cart', 'orders'), false);
});

test('what waits to be written is written by stop', (t) => {
  const folder = temporaryFolder(t);
  const memory = new WorkloadMemory(folder, new FakeClock().wheel(), new RecordedLog());
  memory.remember(instance('shop/a'));
  memory.stop();
  const next = new WorkloadMemory(folder, new FakeClock().wheel(), new RecordedLog());
  assert.equal(next.remembered.size, 1);
});

test('a damaged file is said and forgotten', (t) => {
  const folder = temporaryFolder(t);
  for (const text of ['{', '{"format":2}', '{"format":1,"instances":[{}],"grants":[]}', 'null']) {
    writeFileSync(join(folder, 'workloads.json'), text, { mode: 0o600 });
    const log = new RecordedLog();
    const memory = new WorkloadMemory(folder, new FakeClock().wheel(), log);
    assert.equal(memory.remembered.size, 0);
    assert.match(log.lines[0] ?? '', /^warn known workloads are forgotten: .* is damaged$/);
  }
});
