import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chainPlugin, configurationFiles, unchainPlugin } from './network-configuration.ts';

const list = { cniVersion: '1.0.0', name: 'pods', plugins: [{ type: 'bridge', mtu: 1400 }, { type: 'portmap' }] };
const text = JSON.stringify(list);

describe('the configuration of a network', () => {
  it('gets our plugin at its end, once, and everything else stays', () => {
    const chained = chainPlugin('10-pods.conflist', text);
    assert.ok(chained.ok && !chained.value.unchanged && chained.value.file === '10-pods.conflist');
    assert.deepEqual(JSON.parse(chained.value.text), { ...list, plugins: [...list.plugins, { type: 'weft-cni' }] });
    const again = chainPlugin('10-pods.conflist', chained.value.text);
    assert.deepEqual(again, { ok: true, value: { ...chained.value, unchanged: true } });
    assert.deepEqual(JSON.parse(unchainPlugin(chained.value.text)!), list);
    assert.equal(unchainPlugin(text), undefined);
  });

  it('has our plugin moved behind one that came after it, and doubles taken out', () => {
    const plugins = [{ type: 'weft-cni' }, { type: 'bridge' }, { type: 'weft-cni' }, { type: 'late' }];
    const chained = chainPlugin('a.conflist', JSON.stringify({ name: 'pods', plugins }));
    assert.ok(chained.ok);
    const { plugins: now } = JSON.parse(chained.value.text) as { plugins: { type: string }[] };
    assert.deepEqual(
      now.map(({ type }) => type),
      ['bridge', 'late', 'weft-cni'],
    );
  });

  it('of one plugin becomes a list, in a file that is one', () => {
    const chained = chainPlugin(
      '10-pods.conf',
      JSON.stringify({ cniVersion: '0.4.0', name: 'pods', type: 'bridge', mtu: 1 }),
    );
    assert.ok(chained.ok);
    assert.equal(chained.value.file, '10-pods.conflist');
    assert.deepEqual(JSON.parse(chained.value.text), {
      cniVersion: '0.4.0',
      name: 'pods',
      plugins: [{ type: 'bridge', mtu: 1 }, { type: 'weft-cni' }],
    });
  });

  it('is refused when it is none, and the next file is looked at', () => {
    for (const [wrong, message] of [
      ['{', /is no JSON object/],
      ['[]', /is no JSON object/],
      ['{"plugins":[]}', /names no network/],
      ['{"name":"pods"}', /neither plugins nor a type/],
      ['{"name":"pods","plugins":[]}', /no plugin that makes a network/],
      ['{"name":"pods","plugins":[{"type":"weft-cni"}]}', /no plugin that makes a network/],
    ] as const) {
      const chained = chainPlugin('a.conflist', wrong);
      assert.match(chained.ok ? '' : chained.error, message);
    }
    const names = ['b.conf', '.hidden.conf', 'a.conflist', 'z.json', 'a.conflist.weft-new', 'x.weft-saved', 'README'];
    assert.deepEqual(configurationFiles(names), ['a.conflist', 'b.conf', 'z.json']);
  });
});
