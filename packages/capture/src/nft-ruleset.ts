import { type PortRange, writeAddressRange } from '@weft/kernel';
import {
  type CapturePlan,
  PROOF_PORT,
  capturesInbound,
  capturesOutbound,
  loopbackRanges,
  nowhere,
} from './capture-plan.ts';

/** One table for both families; nothing of anybody else is in it, so that it goes as a whole. */
export const nftTable = 'inet weft';

/**
 * The rules as a script for `nft -f -`, which takes it whole or not at all. Writing it again replaces what was there: the first
 * line makes sure that there is a table for the second to delete.
 *
 * The way out: what the proxy sends to an address of this machine is a call to its own application through the mesh, and arrives
 * like any other, but for what it sends to loopback or from there: with that it hands over what has arrived. The rest of what the
 * proxy sends leaves. What others send to this machine stays here.
 */
export function writeNftRules(plan: CapturePlan): string {
  const { proxyUser, outboundPort, inboundPort } = plan;
  const lines = [`add table ${nftTable}`, `delete table ${nftTable}`, `table ${nftTable} {`];
  if (capturesInbound(plan)) {
    lines.push(
      '  chain arriving {',
      ...portsUnless(plan.excludedInboundPorts),
      `    ${plan.inbound === 'all' ? '' : `tcp dport ${set(plan.inbound.map(portRange))} `}meta l4proto tcp redirect to :${inboundPort}`,
      '  }',
      '  chain prerouting {',
      '    type nat hook prerouting priority -100; policy accept;',
      '    iifname "lo" return',
      `    meta l4proto tcp tcp dport != ${set([`${outboundPort}`, `${inboundPort}`])} jump arriving`,
      '  }',
    );
  }
  lines.push(
    '  chain output {',
    '    type nat hook output priority -100; policy accept;',
    '    meta l4proto != tcp return',
  );
  if (capturesInbound(plan)) {
    lines.push(
      ...(['ip', 'ip6'] as const).map((family) => {
        const range = loopbackRanges[family === 'ip' ? 4 : 6];
        const meant = `${family} saddr != ${range} ${family} daddr != ${range}`;
        return `    meta skuid ${proxyUser} oifname "lo" ${meant} jump arriving`;
      }),
    );
  }
  if (capturesOutbound(plan)) {
    for (const [family, address] of [
      ['ip', nowhere[4]],
      ['ip6', nowhere[6]],
    ] as const) {
      lines.push(
        `    meta skuid ${proxyUser} ${family} daddr ${address} tcp dport ${PROOF_PORT} redirect to :${outboundPort}`,
      );
    }
  }
  lines.push(`    meta skuid ${proxyUser} return`, '    oifname "lo" return');
  if (capturesOutbound(plan)) {
    if (plan.outbound !== 'all') lines.push(`    meta skuid != ${set(plan.outbound.map(String))} return`);
    // One rule each: ranges of people may overlap, those of a set may not.
    for (const range of plan.excludedOutboundRanges) {
      lines.push(`    ${range.family === 4 ? 'ip' : 'ip6'} daddr ${writeAddressRange(range)} return`);
    }
    lines.push(...portsUnless(plan.excludedOutboundPorts), `    meta l4proto tcp redirect to :${outboundPort}`);
  }
  lines.push('  }', '}', '');
  return lines.join('\n');
}

/** Takes the rules away, and nothing when there are none. */
export function writeNftRemoval(): string {
  return `add table ${nftTable}\ndelete table ${nftTable}\n`;
}

function portsUnless(excluded: readonly PortRange[]): string[] {
  return excluded.length === 0 ? [] : [`    tcp dport ${set(excluded.map(portRange))} return`];
}

function portRange({ from, to }: PortRange): string {
  return from === to ? `${from}` : `${from}-${to}`;
}

function set(values: readonly string[]): string {
  return `{ ${values.join(', ')} }`;
}
