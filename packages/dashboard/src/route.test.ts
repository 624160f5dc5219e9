import assert from 'node:assert/strict';
import { test } from 'node:test';
import { objectHref, readRoute, requestHref, serviceHref, withQuery } from './route.ts';

test('each thing has an address that leads back to it, whatever its name', () => {
  for (const name of ['cart', 'a/b?c#d', '../..', '<b>', '%2f', 'ä ö']) {
    assert.deepEqual(readRoute(serviceHref(`shop/${name}`), '').names, ['shop', name]);
    assert.deepEqual(readRoute(objectHref('HTTPRoute', '', name), '').names, ['HTTPRoute', '-', name]);
    const { page, names } = readRoute(requestHref(name), '');
    assert.deepEqual([page, names], ['request', [name]]);
  }
});

test('an address that names nothing is told so, not guessed', () => {
  for (const path of [
    '/nothing',
    '/services/a',
    '/services/a/b/c',
    '/config/a',
    '/%zz',
    '/constructor',
    '/__proto__',
  ]) {
    assert.equal(readRoute(path, '').page, 'lost', path);
  }
  assert.deepEqual([readRoute('/', '').page, readRoute('/proxies/', '').page], ['topology', 'proxies']);
});

test('a choice goes into the query and out of it', () => {
  assert.equal(withQuery('window=60000', 'focus', 'shop/cart'), '?window=60000&focus=shop%2Fcart');
  assert.equal(withQuery('focus=a', 'focus', ''), '');
});
