import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectKey } from '@weft/model';
import { ConfigStore } from './config-store.ts';
import { readPlace, unreadablePlace } from './source/config-place.ts';

const service = (name: string, port = 80): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {ports: [{port: ${port}}]}\n`;
const A = objectKey('Service', 'shop', 'a');
const portOf = (store: ConfigStore): number | undefined => {
  const object = store.records.get(A)?.object;
  return object?.kind === 'Service' ? object.spec.ports?.[0]?.port : undefined;
};

test('what differs between two sets becomes changes, and nothing else', () => {
  const store = new ConfigStore();
  const a = readPlace('a.yaml', service('a'));
  assert.equal(store.replace([a, readPlace('b.yaml', service('b'))]).changes.length, 2);
  assert.deepEqual(store.replace([a]).changes, [{ type: 'Remove', key: 'Service/shop/b' }]);
  assert.deepEqual(store.replace([a]).changes, []);
  const [change, ...rest] = store.replace([readPlace('a.yaml', service('a', 81))]).changes;
  assert.equal(change?.type, 'Upsert');
  assert.deepEqual(rest, []);
});

test('an object that only moved within its file has not changed', () => {
  const store = new ConfigStore();
  store.replace([readPlace('a.yaml', service('a'))]);
  const moved = store.replace([readPlace('a.yaml', `${service('b')}---\n${service('a')}`)]);
  assert.deepEqual(
    moved.changes.map((change) => change.type === 'Upsert' && change.object.metadata.name),
    ['b'],
  );
  assert.equal(store.records.get(A)?.line, 6);
});

test('a refused version is told of once, and the last good one stays', () => {
  const store = new ConfigStore();
  store.replace([readPlace('a.yaml', service('a'))]);
  const bad = readPlace('a.yaml', service('a', 70_000));
  const update = store.replace([bad]);
  assert.deepEqual(update.changes, []);
  assert.deepEqual(
    update.refused.map(({ key }) => key),
    [A],
  );
  assert.equal(update.news[0]?.path, 'spec.ports[0].port');
  assert.equal(portOf(store), 80);
  assert.equal(store.records.get(A)?.isRefused, true);
  const again = store.replace([bad]);
  assert.deepEqual([again.news, again.refused], [[], []]);
  store.replace([readPlace('a.yaml', service('a', 81))]);
  assert.equal(portOf(store), 81);
  assert.equal(store.records.get(A)?.isRefused, false);
});

test('an object that was never good is refused without a version in force', () => {
  const store = new ConfigStore();
  assert.deepEqual(store.replace([readPlace('a.yaml', service('a', 70_000))]).changes, []);
  assert.equal(store.records.get(A)?.object, undefined);
});

test('a place that is not whole, or holds something without a name, takes nothing away', () => {
  for (const broken of [
    readPlace('a.yaml', `${service('b')}---\nkind: [\n`),
    readPlace('a.yaml', service('a').replace('kind: Service', 'kind: Servce')),
    unreadablePlace('a.yaml', 'EACCES'),
  ]) {
    const store = new ConfigStore();
    store.replace([readPlace('a.yaml', service('a'))]);
    const { changes, news } = store.replace([broken]);
    assert.ok(!changes.some(({ type }) => type === 'Remove'));
    assert.equal(news.length > 0, true);
    assert.equal(portOf(store), 80);
    assert.equal(store.problems.length > 0, true);
    store.replace([readPlace('a.yaml', '')]);
    assert.equal(store.records.size, 0);
  }
});

test('of two objects of one name the one already in force stays, and one problem names both places', () => {
  const store = new ConfigStore();
  store.replace([readPlace('b.yaml', service('a', 82))]);
  const both = [readPlace('a.yaml', service('a', 81)), readPlace('b.yaml', service('a', 82))];
  const { news, changes } = store.replace(both);
  assert.equal(portOf(store), 82);
  assert.deepEqual(changes, []);
  assert.equal(news.length, 1);
  assert.match(news[0]!.message, /a\.yaml:1 and at b\.yaml:1; the one at b\.yaml:1 is in force/);
  assert.deepEqual(store.replace(both).changes, []);
  const fresh = new ConfigStore();
  fresh.replace(both);
  assert.equal(portOf(fresh), 81);
  store.replace([both[0]!]);
  assert.equal(portOf(store), 81);
  assert.deepEqual(store.records.get(A)?.problems, []);
});
