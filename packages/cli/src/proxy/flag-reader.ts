import { parseArgs } from 'node:util';
import { type Result, fail, ok } from '@weft/kernel';

/** One flag of a command that starts too often to load an argument library for: 20 ms of a sidecar's start. */
export interface Flag {
  /** Without the dashes. */
  readonly name: string;
  /** Placeholder of its value; empty for a switch. */
  readonly value: string;
  /** Taken when the flag is absent. Empty: none. Values of a repeatable flag are parted by commas there. */
  readonly variable: string;
  readonly repeatable: boolean;
  /** Shown and used; empty: none. */
  readonly fallback: string;
  readonly text: string;
}

/** Values by flag name, as given: switches are `true`. Defaults are in. */
export interface FlagValues {
  /** The last one given, or the fallback. */
  one(name: string): string;
  all(name: string): readonly string[];
  /** Whether a person gave it, as a flag or a variable. */
  given(name: string): boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The error is one line that names the flag. */
export function readFlags(
  flags: readonly Flag[],
  args: readonly string[],
  env: Environment,
): Result<FlagValues, string> {
  const given = new Map<string, readonly string[]>();
  for (const flag of flags) {
    const text = flag.variable === '' ? undefined : env[flag.variable];
    if (text === undefined || text === '') continue;
    given.set(flag.name, flag.repeatable ? text.split(',').map((part) => part.trim()) : [text]);
  }
  const options: Record<string, { type: 'string' | 'boolean'; multiple: true }> = {};
  for (const flag of flags) options[flag.name] = { type: flag.value === '' ? 'boolean' : 'string', multiple: true };
  try {
    const parsed = parseArgs({ args: joinNegative(args), options, strict: true, allowPositionals: false });
    for (const [name, values] of Object.entries(parsed.values)) given.set(name, (values ?? []).map(String));
  } catch (error) {
    return fail(firstSentence((error as Error).message));
  }
  const fallbacks = new Map(flags.map(({ name, fallback }) => [name, fallback]));
  return ok({
    one: (name) => given.get(name)?.at(-1) ?? fallbacks.get(name) ?? '',
    all: (name) => given.get(name) ?? [],
    given: (name) => given.has(name),
  });
}

/** `--stats-port -1` as `--stats-port=-1`: the parser takes what starts with a dash for a flag. None of ours is a number. */
function joinNegative(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const before = joined.at(-1) ?? '';
    if (/^-\d+$/.test(arg) && /^--[a-z-]+$/.test(before)) joined[joined.length - 1] = `${before}=${arg}`;
    else joined.push(arg);
  }
  return joined;
}

/** The flags as `--help` shows them. */
export function describeFlags(flags: readonly Flag[], columns = 100): string {
  const heads = flags.map(({ name, value }) => `  --${name}${value === '' ? '' : ` ${value}`}`);
  const width = Math.max(...heads.map((head) => head.length)) + 2;
  const lines = flags.map(({ text, fallback, variable, repeatable }, index) => {
    const notes = [
      repeatable ? 'repeatable' : '',
      fallback === '' ? '' : `default ${fallback}`,
      variable === '' ? '' : variable,
    ].filter((note) => note !== '');
    const whole = notes.length === 0 ? text : `${text} (${notes.join('; ')})`;
    return wrap(heads[index]!.padEnd(width), whole, columns);
  });
  return `${lines.join('\n')}\n`;
}

function wrap(head: string, text: string, columns: number): string {
  const lines: string[] = [];
  let line = head;
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > columns && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = ' '.repeat(head.length);
    }
    line += line.length === head.length ? word : ` ${word}`;
  }
  lines.push(line);
  return lines.join('\n');
}

/** The parser adds advice on positional arguments that do not exist here. */
function firstSentence(message: string): string {
  return message.split('. ')[0]!.replace(/\n.*/s, '');
}
