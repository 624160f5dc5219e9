import { Buffer } from 'node:buffer';
import { fail, ok } from '@weft/kernel';
import type { Result } from '@weft/kernel';
import { ByteClass, isOfClass, isToken } from './byte-class.ts';
import { FieldId, fieldIdCount, fieldIdOf, fieldNames } from './field-id.ts';
import { isProtectedField } from './field-rule.ts';

/** Gateway API HTTPHeaderFilter: `set` replaces, `add` appends, `remove` drops; applied in this order. */
export interface HeaderModifier {
  readonly set?: readonly HeaderLine[];
  readonly add?: readonly HeaderLine[];
  readonly remove?: readonly string[];
}

export interface HeaderLine {
  readonly name: string;
  readonly value: string;
}

/**
 * A field whose value the proxy knows only at the request (request ID, `via`, trace context, client identity).
 * `own`: what was received is always dropped. `replace`: dropped when there is a value. `add`: one more line.
 * `absent`: written only when none was received.
 */
export interface HeadSlot {
  readonly name: string;
  readonly mode: 'own' | 'replace' | 'add' | 'absent';
  /** Its value hardly comes again (ids, what is left of a time): HTTP/2 neither looks for it nor keeps it. */
  readonly unique?: boolean;
  /** The proxy makes its values, of letters, digits and signs alone: writers do not look at them again. */
  readonly madeHere?: boolean;
}

export interface HeadEditRules {
  /** Applied one after the other: those of the rule, then those of the backend. */
  readonly modifiers?: readonly HeaderModifier[];
  /** The position in this list is the position of the value in `slots` at the time of writing. */
  readonly slots?: readonly HeadSlot[];
  /** Names dropped besides (what is not believed from this side). */
  readonly drop?: readonly string[];
  /** Let `weft-*` fields pass: only from a verified peer of the mesh. Otherwise they are dropped. */
  readonly keepWeft?: boolean;
}

/** Why rules were refused: the field and what is wrong with it. */
export interface HeadEditFault {
  readonly name: string;
  readonly reason: 'bad-name' | 'bad-value' | 'protected-field' | 'too-many-slots';
}

const KEEP = 0;
const DROP = 255;
/** Each is a bit of a mask. */
const MAX_SLOTS = 31;

interface CompiledSlot {
  /** `Name: `, ready to be written. */
  readonly prefix: string;
  readonly name: string;
  readonly id: FieldId;
  readonly onlyAbsent: boolean;
  readonly unique: boolean;
  readonly madeHere: boolean;
  /** A modifier of the route decides about this field; the slot writes nothing. */
  readonly overridden: boolean;
}

/** Edits of one route and direction, compiled once, shared by all its requests. Immutable. */
export class HeadEdits {
  /** Lines to append, ready to be copied. */
  readonly lines: Buffer;
  readonly slots: readonly CompiledSlot[];
  /** A bit for each slot whose values hardly come again. */
  readonly uniqueSlots: number;
  /** Likewise: its values must be checked. */
  readonly foreignSlots: number;
  /** By field id: 0 keep, 255 drop, n drop when slot n - 1 has a value. */
  private readonly rulesById: Uint8Array;
  /** Lower-case names without an id of their own, with the same rules. */
  private readonly names: readonly string[];
  private readonly rulesByName: readonly number[];

  constructor(
    lines: Buffer,
    slots: readonly CompiledSlot[],
    rulesById: Uint8Array,
    names: readonly string[],
    rulesByName: readonly number[],
  ) {
    this.lines = lines;
    this.slots = slots;
    this.uniqueSlots = maskOf(slots, ({ unique }) => unique);
    this.foreignSlots = maskOf(slots, ({ madeHere }) => !madeHere);
    this.rulesById = rulesById;
    this.names = names;
    this.rulesByName = rulesByName;
  }

  /** True when field `index` of `head` must not be copied. */
  drops(head: EditedHead, index: number, values: readonly (string | undefined)[]): boolean {
    const rule = this.rulesById[head.ids[index]!]!;
    if (rule !== KEEP) return rule === DROP || values[rule - 1] !== undefined;
    const names = this.names;
    for (let at = 0; at < names.length; at += 1) {
      if (!head.hasName(index, names[at]!)) continue;
      const byName = this.rulesByName[at]!;
      return byName === DROP || values[byName - 1] !== undefined;
    }
    return false;
  }
}

/** The little of a head that edits look at. */
export interface EditedHead {
  readonly ids: Uint8Array;
  hasName(index: number, lowerCaseName: string): boolean;
}

function maskOf(slots: readonly CompiledSlot[], has: (slot: CompiledSlot) => boolean): number {
  return slots.reduce((mask, slot, index) => mask | (has(slot) ? 1 << index : 0), 0);
}

/** Edits that change nothing but drop `weft-*`. */
export const noEdits: HeadEdits = compile({ modifiers: [], slots: [], drop: [], keepWeft: false });

/** Compiles rules; refuses names and values that could not be written, and fields that carry framing or trust. */
export function compileHeadEdits(rules: HeadEditRules): Result<HeadEdits, HeadEditFault> {
  const fault = findFault(rules);
  return fault === undefined ? ok(compile(rules)) : fail(fault);
}

function findFault(rules: HeadEditRules): HeadEditFault | undefined {
  const named: [string, string][] = [];
  for (const { set, add, remove } of rules.modifiers ?? []) {
    for (const { name, value } of [...(set ?? []), ...(add ?? [])]) named.push([name, value]);
    for (const name of remove ?? []) named.push([name, '']);
  }
  for (const [name, value] of named) {
    if (!isToken(name)) return { name, reason: 'bad-name' };
    if (isProtectedField(fieldIdOf(name.toLowerCase()))) return { name, reason: 'protected-field' };
    if (!isOfClass(value, ByteClass.Value) || value.trim() !== value) return { name, reason: 'bad-value' };
  }
  for (const name of [...(rules.drop ?? []), ...(rules.slots ?? []).map((slot) => slot.name)]) {
    if (!isToken(name)) return { name, reason: 'bad-name' };
  }
  const slots = rules.slots ?? [];
  return slots.length > MAX_SLOTS ? { name: slots[MAX_SLOTS]!.name, reason: 'too-many-slots' } : undefined;
}

function compile(rules: HeadEditRules): HeadEdits {
  const outcomes = applyModifiers(rules.modifiers ?? []);
  const byId = new Uint8Array(fieldIdCount);
  const byName = new Map<string, number>();
  const setRule = (name: string, rule: number): void => {
    const id = fieldIdOf(name);
    if (fieldNames[id] !== '') byId[id] = rule;
    else byName.set(name, rule);
  };
  if (rules.keepWeft !== true) byId[FieldId.WeftOwned] = DROP;
  const slots = (rules.slots ?? []).map((slot, index): CompiledSlot => {
    const name = slot.name.toLowerCase();
    if (slot.mode === 'own') setRule(name, DROP);
    else if (slot.mode === 'replace') setRule(name, index + 1);
    return {
      prefix: `${slot.name}: `,
      name,
      id: fieldIdOf(name),
      onlyAbsent: slot.mode === 'absent',
      unique: slot.unique === true,
      madeHere: slot.madeHere === true,
      overridden: outcomes.get(name)?.dropped ?? false,
    };
  });
  for (const name of rules.drop ?? []) setRule(name.toLowerCase(), DROP);
  let lines = '';
  for (const [name, outcome] of outcomes) {
    if (outcome.dropped) setRule(name, DROP);
    for (const line of outcome.lines) lines += line;
  }
  return new HeadEdits(Buffer.from(lines, 'latin1'), slots, byId, [...byName.keys()], [...byName.values()]);
}

interface Outcome {
  /** What was received under this name is dropped. */
  dropped: boolean;
  lines: string[];
}

/** Runs the modifiers on "whatever is received", so that a later one sees what an earlier one did. */
function applyModifiers(modifiers: readonly HeaderModifier[]): Map<string, Outcome> {
  const outcomes = new Map<string, Outcome>();
  const at = (name: string): Outcome => {
    const key = name.toLowerCase();
    const outcome = outcomes.get(key) ?? { dropped: false, lines: [] };
    outcomes.set(key, outcome);
    return outcome;
  };
  for (const modifier of modifiers) {
    for (const { name, value } of modifier.set ?? []) {
      const outcome = at(name);
      outcome.dropped = true;
      outcome.lines = [`${name}: ${value}\r\n`];
    }
    for (const { name, value } of modifier.add ?? []) at(name).lines.push(`${name}: ${value}\r\n`);
    for (const name of modifier.remove ?? []) {
      const outcome = at(name);
      outcome.dropped = true;
      outcome.lines = [];
    }
  }
  return outcomes;
}
