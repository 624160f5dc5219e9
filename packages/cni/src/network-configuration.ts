import { type Result, fail, ok } from '@weft/kernel';
import { pluginType } from './plugin-script.ts';

/** A network's configuration that has our plugin at its end. */
export interface ChainedConfiguration {
  /** Name of the file it stands in: that of a list, also where there was a single plugin before. */
  readonly file: string;
  readonly text: string;
  /** It was so already. */
  readonly unchanged: boolean;
}

interface NetworkList {
  readonly plugins: readonly { readonly type: string }[];
}

/** Files of a configuration folder in the order in which runtimes look: the first that is a network is the one of pods. */
export function configurationFiles(names: readonly string[]): string[] {
  return names.filter((name) => /^[^.].*\.(?:conf|conflist|json)$/.test(name)).sort();
}

/**
 * Puts our plugin behind those of a network. A configuration of one plugin becomes a list, which is another file. The error is a
 * sentence; it is no network then, and the next file may be one.
 */
export function chainPlugin(file: string, text: string): Result<ChainedConfiguration, string> {
  const read = readJson(text);
  if (!isMap(read)) return fail(`${file} is no JSON object`);
  if (typeof read['name'] !== 'string') return fail(`${file} names no network`);
  if (isList(read)) {
    const others = read.plugins.filter(({ type }) => type !== pluginType);
    if (others.length === 0) return fail(`${file} has no plugin that makes a network`);
    const isLast = read.plugins.at(-1)?.type === pluginType && others.length === read.plugins.length - 1;
    if (isLast) return ok({ file, text, unchanged: true });
    return ok({ file, text: written({ ...read, plugins: [...others, { type: pluginType }] }), unchanged: false });
  }
  if (typeof read['type'] !== 'string') return fail(`${file} has neither plugins nor a type`);
  const { cniVersion, name, ...own } = read;
  const list = { cniVersion: cniVersion ?? '0.3.1', name, plugins: [own, { type: pluginType }] };
  return ok({ file: file.replace(/\.[^.]+$/, '.conflist'), text: written(list), unchanged: false });
}

/** The configuration without our plugin; undefined when it is not in it, or when this is no list. */
export function unchainPlugin(text: string): string | undefined {
  const read = readJson(text);
  if (!isMap(read) || !isList(read)) return undefined;
  const others = read.plugins.filter(({ type }) => type !== pluginType);
  return others.length === read.plugins.length ? undefined : written({ ...read, plugins: others });
}

function written(list: object): string {
  return `${JSON.stringify(list, null, 2)}\n`;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: Readonly<Record<string, unknown>>): value is Readonly<Record<string, unknown>> & NetworkList {
  const { plugins } = value;
  return Array.isArray(plugins) && plugins.every((plugin) => isMap(plugin) && typeof plugin['type'] === 'string');
}
