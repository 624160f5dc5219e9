import { type PortRange, writeAddressRange } from '@weft/kernel';
import {
  type CapturePlan,
  PROOF_PORT,
  capturesInbound,
  capturesOutbound,
  loopbackRanges,
  nowhere,
} from './capture-plan.ts';

/** Chains of ours in the table `nat`; the built-in chains get one rule each that leads here. */
export const iptablesChains = {
  arriving: 'WEFT_ARRIVING',
  prerouting: 'WEFT_PREROUTING',
  output: 'WEFT_OUTPUT',
} as const;

/** The rules of the built-in chains, as arguments after `-A`, `-C` or `-D`. */
export const iptablesJumps: readonly (readonly string[])[] = [
  ['PREROUTING', '-p', 'tcp', '-j', iptablesChains.prerouting],
  ['OUTPUT', '-p', 'tcp', '-j', iptablesChains.output],
];

/**
 * The rules as a script for `iptables-restore --noflush`, for one family: a named chain is emptied and filled again, whatever
 * it held. The same decisions, in the same order, as `writeNftRules` makes.
 *
 * `missing`: those of `iptablesJumps` that are not there and are to be added.
 */
export function writeIptablesRules(plan: CapturePlan, family: 4 | 6, missing: readonly (readonly string[])[]): string {
  const { arriving, prerouting, output } = iptablesChains;
  const { proxyUser, outboundPort, inboundPort } = plan;
  const own = ['-m', 'owner', '--uid-owner', `${proxyUser}`];
  const rules: string[][] = [];
  if (capturesInbound(plan)) {
    for (const range of plan.excludedInboundPorts) rules.push([arriving, ...port(range), '-j', 'RETURN']);
    const matches = plan.inbound === 'all' ? [['-p', 'tcp']] : plan.inbound.map(port);
    for (const match of matches) rules.push([arriving, ...match, ...redirect(inboundPort)]);
    rules.push([prerouting, '-i', 'lo', '-j', 'RETURN']);
    for (const each of [outboundPort, inboundPort]) {
      rules.push([prerouting, ...port({ from: each, to: each }), '-j', 'RETURN']);
    }
    rules.push([prerouting, '-p', 'tcp', '-j', arriving]);
    const range = loopbackRanges[family];
    rules.push([output, ...own, '-o', 'lo', '!', '-s', range, '!', '-d', range, '-p', 'tcp', '-j', arriving]);
  }
  if (capturesOutbound(plan)) {
    const proof = port({ from: PROOF_PORT, to: PROOF_PORT });
    rules.push([output, ...own, '-d', nowhere[family], ...proof, ...redirect(outboundPort)]);
  }
  rules.push([output, ...own, '-j', 'RETURN'], [output, '-o', 'lo', '-j', 'RETURN']);
  if (capturesOutbound(plan)) {
    for (const range of plan.excludedOutboundRanges) {
      if (range.family === family) rules.push([output, '-d', writeAddressRange(range), '-j', 'RETURN']);
    }
    for (const range of plan.excludedOutboundPorts) rules.push([output, ...port(range), '-j', 'RETURN']);
    const users =
      plan.outbound === 'all' ? [[]] : plan.outbound.map((user) => ['-m', 'owner', '--uid-owner', `${user}`]);
    for (const user of users) rules.push([output, ...user, '-p', 'tcp', ...redirect(outboundPort)]);
  }
  return [
    '*nat',
    ...Object.values(iptablesChains).map((chain) => `:${chain} - [0:0]`),
    ...[...rules, ...missing].map((rule) => `-A ${rule.join(' ')}`),
    'COMMIT',
    '',
  ].join('\n');
}

/** Takes the rules away. `present`: those of `iptablesJumps` that are there; iptables refuses to delete what is not. */
export function writeIptablesRemoval(present: readonly (readonly string[])[]): string {
  const chains = Object.values(iptablesChains);
  return [
    '*nat',
    // Named once more: then they exist, and are empty, whatever was left of them.
    ...chains.map((chain) => `:${chain} - [0:0]`),
    ...present.map((jump) => `-D ${jump.join(' ')}`),
    ...chains.map((chain) => `-X ${chain}`),
    'COMMIT',
    '',
  ].join('\n');
}

function port({ from, to }: PortRange): string[] {
  return ['-p', 'tcp', '--dport', from === to ? `${from}` : `${from}:${to}`];
}

function redirect(to: number): string[] {
  return ['-j', 'REDIRECT', '--to-ports', `${to}`];
}
