import type { HeadEdits } from './head-edits.ts';

/** Values of the slots of edits, by position; undefined where nothing is written. */
export type SlotValues = readonly (string | undefined)[];

/** Which slots have a value, a bit for each. */
export function slotMask(edits: HeadEdits, values: SlotValues): number {
  const count = edits.slots.length;
  let mask = 0;
  for (let index = 0; index < count; index += 1) if (values[index] !== undefined) mask |= 1 << index;
  return mask;
}

/** The first slot of a mask that is not 0; `mask & (mask - 1)` are the others. */
export function firstSlot(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}
