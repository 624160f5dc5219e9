import { VersionSum } from '@weft/decision';
import { byCodeUnit } from '@weft/model';
import type { ProxyState, ProxyStatus } from '@weft/wire';
import type { ProxyRecord } from './proxy-registry.ts';

/** A proxy as people are shown it. */
export function reportProxy(record: ProxyRecord): ProxyStatus {
  const { session, hello, peer } = record;
  const versions = session.versions();
  const behind = versions.filter(({ current, inForce }) => current !== inForce).length;
  const refused = versions.filter(({ error }) => error !== '').length;
  return {
    name: record.name,
    workload: hello.workload,
    gateway: hello.gateway,
    identity: peer.id,
    address: record.address,
    state: stateOf(record, behind, refused),
    connectedAtMs: record.connectedAtMs,
    lastAckAtMs: record.lastAckAtMs,
    lastTransaction: session.lastTransaction,
    acknowledgedTransaction: session.acknowledgedTransaction,
    resources: versions.filter(({ inForce }) => inForce !== '').length,
    behind,
    refused,
    version: versionOf(versions),
    report: session.report,
    listeners: hello.listeners,
    destinations: [...session.destinations].sort(byCodeUnit),
  };
}

function stateOf(record: ProxyRecord, behind: number, refused: number): ProxyState {
  if (!record.isConnected) return 'Lost';
  if (record.isDraining) return 'Draining';
  if (refused > 0) return 'Refusing';
  return behind > 0 ? 'Behind' : 'Synced';
}

/** As the proxy itself calls what it holds, in its metrics and access log. */
function versionOf(versions: readonly { readonly key: string; readonly inForce: string }[]): string {
  const sum = new VersionSum();
  let held = 0;
  for (const { key, inForce } of versions) {
    if (inForce === '') continue;
    sum.add(key, inForce);
    held += 1;
  }
  return held === 0 ? '' : sum.toString();
}
