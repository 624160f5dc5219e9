import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readAddressRanges, readPortRanges } from '@weft/kernel';
import { type CapturePlan, handoverSources } from './capture-plan.ts';
import { NamespacePair, addresses, namespaceLack } from './fixture/namespace-pair.ts';

const PROXY = 15_001;
const APPLICATION = 1_000;
const plan: CapturePlan = {
  proxyUser: PROXY,
  outboundPort: 15_001,
  inboundPort: 15_006,
  inbound: 'all',
  outbound: 'all',
  excludedInboundPorts: readPortRanges('9090,15020')!,
  excludedOutboundPorts: readPortRanges('7001-7002')!,
  excludedOutboundRanges: readAddressRanges('10.77.0.0/30,10.77.0.1,fd77::1/128')!,
};
const lack = namespaceLack();

for (const tool of ['nft', 'iptables-legacy'] as const) {
  describe(`rules of ${tool} in a network namespace`, { skip: lack === '' ? false : lack }, () => {
    let pair: NamespacePair;
    const script = fileURLToPath(new URL('./fixture/rules.ts', import.meta.url));
    const rules = (action: string, own: CapturePlan = plan, user = 0): unknown =>
      JSON.parse(pair.run(pair.pod, user, process.execPath, [script, action, tool, JSON.stringify(own)]));
    const open = { ...plan, excludedOutboundRanges: [] };

    before(async () => {
      pair = new NamespacePair(tool.slice(0, 3));
      await pair.listen(pair.outside, APPLICATION, 'outside', [7000, 7001]);
      await pair.listen(pair.pod, APPLICATION, 'app', [8080, 9090]);
    });
    after(() => pair.close());

    it('prove before the proxy listens that what leaves is redirected, and that nothing is without them', () => {
      const families = { shown: ['IPv4 leaves by port 15001', 'IPv6 leaves by port 15001'], faults: [] };
      assert.deepEqual(rules('apply', open), { ok: true });
      assert.deepEqual(rules('prove', open), families);
      assert.deepEqual(rules('prove', open, PROXY), families, 'the proxy, which is exempt, cannot see it');
      const excluded = { ...open, excludedOutboundPorts: readPortRanges('1-65535')! };
      assert.deepEqual(rules('apply', excluded), { ok: true });
      assert.deepEqual(rules('prove', excluded, PROXY), families);
      assert.deepEqual(rules('remove'), { ok: true });
      const without = rules('prove', open) as { shown: string[]; faults: string[] };
      assert.deepEqual(without.shown, []);
      assert.equal(without.faults.length, 2);
      assert.equal((rules('prove', open, PROXY) as { faults: string[] }).faults.length, 2);
    });

    it('lead both ways to the proxy, by the address and port that was meant, in both families', async () => {
      assert.deepEqual(rules('apply', open), { ok: true });
      await pair.listen(pair.pod, PROXY, 'proxy', [15_001, 15_006]);
      for (const family of [4, 6] as const) {
        const outside = addresses.outside[family];
        const pod = addresses.pod[family];
        const seen = {
          applicationOut: pair.call(pair.pod, APPLICATION, outside, 7000),
          rootOut: pair.call(pair.pod, 0, outside, 7000),
          proxyOut: pair.call(pair.pod, PROXY, outside, 7000),
          excludedPort: pair.call(pair.pod, APPLICATION, outside, 7001),
          outsideIn: pair.call(pair.outside, APPLICATION, pod, 8080),
          excludedIn: pair.call(pair.outside, APPLICATION, pod, 9090),
          nobodyListens: pair.call(pair.outside, APPLICATION, pod, 4_711),
          toItself: pair.call(pair.pod, APPLICATION, pod, 8080),
          throughMeshToItself: pair.call(pair.pod, PROXY, pod, 8080),
          handedOver: pair.call(pair.pod, PROXY, pod, 8080, handoverSources[family]),
          fromLoopback: pair.call(pair.pod, PROXY, pod, 8080, family === 4 ? '127.0.0.1' : '::1'),
          proxyToApplication: pair.call(pair.pod, PROXY, family === 4 ? '127.0.0.1' : '::1', 8080),
        };
        assert.deepEqual(seen, {
          applicationOut: `proxy@15001 ${outside} 7000`,
          rootOut: `proxy@15001 ${outside} 7000`,
          proxyOut: 'outside',
          excludedPort: 'outside',
          outsideIn: `proxy@15006 ${pod} 8080`,
          excludedIn: 'app',
          nobodyListens: `proxy@15006 ${pod} 4711`,
          toItself: 'app',
          throughMeshToItself: `proxy@15006 ${pod} 8080`,
          handedOver: 'app',
          fromLoopback: 'app',
          proxyToApplication: 'app',
        });
      }
    });

    it('leave excluded address ranges alone, written over the rules that were there', () => {
      assert.deepEqual(rules('apply'), { ok: true });
      for (const family of [4, 6] as const) {
        assert.equal(pair.call(pair.pod, APPLICATION, addresses.outside[family], 7000), 'outside');
      }
    });

    it('take only the ports and users that are named', () => {
      assert.deepEqual(rules('apply', { ...open, inbound: readPortRanges('9090')!, outbound: [1_001, 1_002] }), {
        ok: true,
      });
      const { outside, pod } = addresses;
      assert.equal(pair.call(pair.outside, APPLICATION, pod[4], 8080), 'app');
      assert.equal(pair.call(pair.pod, APPLICATION, outside[4], 7000), 'outside');
      assert.match(pair.call(pair.pod, 1_001, outside[4], 7000), /^proxy@15001/);
      assert.match(pair.call(pair.pod, 1_002, outside[6], 7000), /^proxy@15001/);
      const named = { ...open, inbound: readPortRanges('8080')!, outbound: [] };
      assert.deepEqual(rules('apply', named), { ok: true });
      assert.match(pair.call(pair.outside, APPLICATION, pod[4], 8080), /^proxy@15006/);
      assert.equal(pair.call(pair.pod, 1_001, outside[4], 7000), 'outside');
    });

    it('are the same however often they are written, and leave nothing behind', () => {
      const listing = (): string => {
        if (tool === 'nft') return pair.run(pair.pod, 0, 'nft', ['list', 'ruleset']);
        return [tool, 'ip6tables-legacy']
          .map((program) => pair.run(pair.pod, 0, program, ['-t', 'nat', '-S']))
          .join('');
      };
      rules('remove');
      const bare = listing();
      assert.deepEqual(rules('present'), { ok: true, value: false });
      rules('apply');
      const once = listing();
      assert.deepEqual(rules('apply'), { ok: true });
      assert.equal(listing(), once);
      assert.deepEqual(rules('present'), { ok: true, value: true });
      assert.deepEqual(rules('remove'), { ok: true });
      assert.deepEqual(rules('remove'), { ok: true });
      assert.equal(listing(), bare);
      assert.equal(pair.call(pair.outside, APPLICATION, addresses.pod[4], 8080), 'app');
    });
  });
}
