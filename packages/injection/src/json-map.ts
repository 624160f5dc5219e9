/** A JSON object of which nothing is known yet: pods come from API servers, files, and from whoever reaches the webhook. */
export type JsonMap = Readonly<Record<string, unknown>>;

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value as a map; empty when it is none. */
export function mapOf(value: unknown): JsonMap {
  return isMap(value) ? value : {};
}

/** The maps of a list; empty when the value is no list. */
export function mapsOf(value: unknown): readonly JsonMap[] {
  return Array.isArray(value) ? value.filter(isMap) : [];
}

/** The value as text; empty when it is none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
