const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const PLUS = 0x2b;

/**
 * The first value of a query parameter, decoded as a form would be (`+` is a space); undefined when it is not there. Gateway
 * API advises the first of repeated parameters. A part that is not valid percent-encoding is compared as it was sent.
 */
export function firstQueryValue(query: string, name: string): string | undefined {
  let start = 0;
  while (start < query.length) {
    let end = start;
    let equals = -1;
    let encodedName = false;
    let encodedValue = false;
    for (; end < query.length; end += 1) {
      const code = query.charCodeAt(end);
      if (code === AMPERSAND) break;
      if (code === EQUALS && equals < 0) equals = end;
      else if (code === PERCENT || code === PLUS) {
        if (equals < 0) encodedName = true;
        else encodedValue = true;
      }
    }
    const nameEnd = equals < 0 ? end : equals;
    const same = encodedName
      ? decodePart(query.slice(start, nameEnd)) === name
      : nameEnd - start === name.length && nameEnd > start && query.startsWith(name, start);
    if (same) {
      const value = equals < 0 ? '' : query.slice(equals + 1, end);
      return encodedValue ? decodePart(value) : value;
    }
    start = end + 1;
  }
  return undefined;
}

function decodePart(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
