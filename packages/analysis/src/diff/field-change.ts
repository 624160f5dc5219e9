import { writeDuration } from '@weft/kernel';

/** One value that is another. */
export interface FieldChange {
  /** `timeouts.request`, `outlierDetection.consecutiveErrors`. */
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

/** Differences of two plain values of one shape, leaf by leaf, in the order of the fields. */
export function fieldChangesOf(before: unknown, after: unknown, field = ''): FieldChange[] {
  if (isMap(before) && isMap(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => fieldChangesOf(before[name], after[name], field === '' ? name : `${field}.${name}`));
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  const isTime = field.endsWith('Ms');
  return [{ field: isTime ? field.slice(0, -2) : field, before: text(before, isTime), after: text(after, isTime) }];
}

function text(value: unknown, isTime: boolean): string {
  if (value === null || value === undefined) return 'off';
  if (typeof value === 'number') return isTime ? (value === 0 ? 'none' : writeDuration(value)) : String(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value) || 'none';
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
