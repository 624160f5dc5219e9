import type { AskedReplica } from '@weft/wire';

/**
 * Which replicas of the control plane are missing in an answer, and why; empty when none is, or when an older control plane
 * answered, which says nothing of it.
 */
export function replicaNote(replicas: readonly AskedReplica[]): string {
  const away = replicas.filter(({ silent }) => silent !== '');
  if (away.length === 0) return '';
  const lines = away.map(({ replica, silent }) => `weft:   ${replica}: ${silent}\n`);
  const of = replicas.length === 1 ? 'replica' : 'replicas';
  return `weft: ${away.length} of ${replicas.length} ${of} of the control plane not reached, so this is not all:\n${lines.join('')}`;
}
