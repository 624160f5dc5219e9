/** A range of IP addresses in CIDR notation, with its host bits zero. */
export interface AddressRange {
  readonly family: 4 | 6;
  /** As text: `10.1.0.0`, `fd00:0:0:0:0:0:0:0`. */
  readonly address: string;
  readonly prefixBits: number;
}

/** A longer list is no list of exceptions any more. */
const MOST_RANGES = 256;

/**
 * Reads `10.0.0.0/8,192.0.2.7,fd00::/8`. Host bits are cut off, so that equal ranges are written alike. Undefined when an
 * entry is no address or prefix, or there are more than 256.
 */
export function readAddressRanges(text: string): readonly AddressRange[] | undefined {
  if (text.trim() === '') return [];
  const parts = text.split(',', MOST_RANGES + 1);
  if (parts.length > MOST_RANGES) return undefined;
  const ranges: AddressRange[] = [];
  for (const part of parts) {
    const range = readAddressRange(part.trim());
    if (range === undefined) return undefined;
    ranges.push(range);
  }
  return ranges;
}

/** As `readAddressRanges` reads it. */
export function writeAddressRange({ address, prefixBits }: AddressRange): string {
  return `${address}/${prefixBits}`;
}

function readAddressRange(text: string): AddressRange | undefined {
  const match = /^([0-9a-fA-F.:]{2,45})(?:\/([0-9]{1,3}))?$/.exec(text);
  if (match === null) return undefined;
  const family = match[1]!.includes(':') ? 6 : 4;
  const parts = family === 4 ? readIpv4(match[1]!) : readIpv6(match[1]!);
  const partBits = family === 4 ? 8 : 16;
  const prefixBits = Number(match[2] ?? (family === 4 ? 32 : 128));
  if (parts === undefined || prefixBits > parts.length * partBits) return undefined;
  const masked = parts.map((part, index) => {
    const kept = Math.min(partBits, Math.max(0, prefixBits - index * partBits));
    return part & ~((1 << (partBits - kept)) - 1);
  });
  const address = family === 4 ? masked.join('.') : masked.map((part) => part.toString(16)).join(':');
  return { family, address, prefixBits };
}

function readIpv4(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  return numbers.every((number) => number <= 255) ? numbers : undefined;
}

/** RFC 4291 §2.2, without the form that ends in an IPv4 address: exceptions are not written so. */
function readIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  if (!groups.flat().every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const [head = [], tail = []] = groups;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...Array.from({ length: missing }, () => '0'), ...tail].map((group) => Number.parseInt(group, 16));
}
