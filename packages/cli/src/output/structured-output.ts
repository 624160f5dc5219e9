/** `-o json` and `-o yaml`: the same values, for machines and for people who want all of it. */
export type OutputFormat = 'table' | 'json' | 'yaml';

/** Ends with a line break. The YAML writer is loaded only when asked for. */
export async function writeStructured(value: unknown, format: 'json' | 'yaml'): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`;
  const { stringify } = await import('yaml');
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}
