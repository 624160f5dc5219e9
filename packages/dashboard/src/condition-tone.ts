import type { Condition } from '@weft/wire';

/** Conditions that are well when they are not so. */
const WELL_WHEN_FALSE: ReadonlySet<string> = new Set(['Conflicted', 'OverlappingTLSConfig', 'PartiallyInvalid']);

/** Whether a condition says that something is well, is not, or is not known. */
export function conditionTone({ type, status }: Pick<Condition, 'type' | 'status'>): 'good' | 'bad' | 'quiet' {
  if (status !== 'True' && status !== 'False') return 'quiet';
  return (status === 'False') === WELL_WHEN_FALSE.has(type) ? 'good' : 'bad';
}
