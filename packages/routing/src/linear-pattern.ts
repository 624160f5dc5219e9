import { RE2JS } from 're2js';
import { type Result, fail, ok } from '@weft/kernel';

/** Gateway API caps a path or header pattern at 1024 and 4096 characters. */
const LONGEST_PATTERN = 4096;
/** Instructions of the compiled program: time per character is at most proportional to it. */
const LARGEST_PROGRAM = 20_000;

/** A regular expression in RE2 syntax that covers whole values, in time linear in the value. */
export interface LinearPattern {
  readonly source: string;
  /** Text every match begins with; empty when none is certain. */
  readonly literalPrefix: string;
  test(value: string): boolean;
}

/** The error is a sentence for a person. */
export function compilePattern(source: string): Result<LinearPattern, string> {
  if (source.length > LONGEST_PATTERN) return fail(`the pattern is longer than ${LONGEST_PATTERN} characters`);
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'the pattern is not RE2 syntax');
  }
  if (compiled.programSize() > LARGEST_PROGRAM) {
    return fail(`the pattern compiles to more than ${LARGEST_PROGRAM} instructions`);
  }
  const literalPrefix = literalPrefixOf(source);
  return ok({ source, literalPrefix, test: (value) => value.startsWith(literalPrefix) && compiled.testExact(value) });
}

/**
 * What is wrong with a pattern, as the engine of the sidecars sees it; undefined when nothing is. For readers of
 * configuration, so that what is accepted there is not refused later.
 */
export function checkPattern(source: string): string | undefined {
  const compiled = compilePattern(source);
  return compiled.ok ? undefined : compiled.error;
}

/**
 * The literal text a pattern begins with, found on its source: cautious, so that an empty answer is always right. It is
 * what lets a table of many patterns be looked up instead of tried.
 */
export function literalPrefixOf(source: string): string {
  if (hasTopLevelAlternative(source)) return '';
  let literal = '';
  let index = source.startsWith('^') ? 1 : 0;
  while (index < source.length) {
    let char = source[index]!;
    let next = index + 1;
    if (char === '\\') {
      char = source[next] ?? '';
      next += 1;
      // An escaped letter or digit is a class, an anchor or a quotation; escaped punctuation is itself.
      if (!/^[!-/:-@[-`{-~]$/.test(char)) break;
    } else if ('.[]()*+?{}|^$'.includes(char) || char < ' ' || char > '~') break;
    const quantifier = source[next];
    if (quantifier === '*' || quantifier === '?' || quantifier === '{') break;
    literal += char;
    if (quantifier === '+') break;
    index = next;
  }
  return literal;
}

function hasTopLevelAlternative(source: string): boolean {
  let depth = 0;
  for (let index = 0; index < source.length; index += 1) {
    const char = source[index];
    if (char === '\\') {
      if (source[index + 1] === 'Q') return true;
      index += 1;
    } else if (char === '[') index = classEnd(source, index);
    else if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === '|' && depth <= 0) return true;
  }
  return false;
}

/** The place of the bracket that closes the class which opens at `open`; a bracket in first place is a member. */
function classEnd(source: string, open: number): number {
  let index = open + 1;
  if (source[index] === '^') index += 1;
  if (source[index] === ']') index += 1;
  while (index < source.length && source[index] !== ']') {
    const named = source.startsWith('[:', index) ? source.indexOf(':]', index + 2) : -1;
    if (named > 0) index = named + 2;
    else index += source[index] === '\\' ? 2 : 1;
  }
  return index;
}
