/** Sign, whole digits, fraction digits, then either a suffix or a decimal exponent, as Kubernetes reads quantities. */
const QUANTITY = /^\+?([0-9]*)(?:\.([0-9]*))?(?:([KMGTPE]i|[numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?$/;

/** Longer texts can't be a sensible number of bytes; the bound keeps the arithmetic on big integers small. */
const LONGEST_TEXT = 64;

const BINARY_POWER: ReadonlyMap<string, bigint> = new Map([
  ['Ki', 10n],
  ['Mi', 20n],
  ['Gi', 30n],
  ['Ti', 40n],
  ['Pi', 50n],
  ['Ei', 60n],
]);

const DECIMAL_POWER: ReadonlyMap<string, number> = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);

/**
 * Reads a Kubernetes quantity ("64Ki", "1M", "0.5Gi", "1e3") as bytes. Undefined when malformed, negative, not a
 * whole number of bytes, or above `Number.MAX_SAFE_INTEGER`. Exact: no floating point on the way.
 */
export function readQuantityBytes(text: string): number | undefined {
  if (text.length > LONGEST_TEXT) return undefined;
  const match = QUANTITY.exec(text);
  if (match === null) return undefined;
  const whole = match[1] ?? '';
  const fraction = match[2] ?? '';
  if (whole === '' && fraction === '') return undefined;
  const suffix = match[3] ?? '';
  const exponent = match[4] === undefined ? (DECIMAL_POWER.get(suffix) ?? 0) : Number(match[4]);
  const tens = exponent - fraction.length;
  const digits = BigInt(whole + fraction) << (BINARY_POWER.get(suffix) ?? 0n);
  const scale = 10n ** BigInt(Math.abs(tens));
  if (tens < 0 && digits % scale !== 0n) return undefined;
  const bytes = tens < 0 ? digits / scale : digits * scale;
  return bytes > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(bytes);
}
