import type { FieldId } from '../field-id.ts';
import { Head } from '../head.ts';

/** Where a priority is noted. */
export interface Prioritized {
  urgency: number;
  incremental: boolean;
}

/** Members of the dictionary are few; a longer one is none. */
const MAX_BYTES = 256;

/**
 * Reads `priority` (RFC 9218 §4) from a head that may have it, or from the text of a PRIORITY_UPDATE. Whatever is not
 * understood is ignored, as the RFC asks, and leaves the defaults.
 */
export function readPriority(target: Prioritized, source: Head | string, field: FieldId): void {
  let text: string;
  if (source instanceof Head) {
    const index = source.field(field);
    if (index < 0) return;
    text = source.value(index);
  } else text = source;
  if (text.length > MAX_BYTES) return;
  target.urgency = 3;
  target.incremental = false;
  for (const member of text.split(',')) {
    const [name, ...parameters] = member.trim().split(';');
    const urgency = /^u=([0-7])$/.exec(name!);
    if (urgency !== null) target.urgency = Number(urgency[1]);
    else if (parameters.length === 0 && (name === 'i' || name === 'i=?1')) target.incremental = true;
    else if (name === 'i=?0') target.incremental = false;
  }
}
