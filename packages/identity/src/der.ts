/**
 * The little of DER that certificates and certificate requests need, read strictly: definite minimal lengths, single
 * byte tags, no bytes left over where nothing more may come. A certificate is hostile input, so the reader is handed
 * a window and can never leave it. Failure is `undefined`, never a throw.
 */

/** One element: its tag byte and where its header, content and end stand in the bytes it was read from. */
export interface DerElement {
  readonly tag: number;
  readonly headerAt: number;
  readonly contentAt: number;
  readonly end: number;
}

export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

// No certificate here holds this many elements in one list; a cap keeps work linear in what is reasonable.
const mostElements = 256;

/** Reads the element at `at`, which must end at or before `limit`. */
export function readElement(bytes: Buffer, at: number, limit: number): DerElement | undefined {
  if (at + 2 > limit) return undefined;
  const tag = bytes[at]!;
  // Tag numbers above 30 take more bytes (X.690 8.1.2.4); no structure read here has one.
  if ((tag & 0x1f) === 0x1f) return undefined;
  let length = bytes[at + 1]!;
  let contentAt = at + 2;
  if (length >= 0x80) {
    const lengthBytes = length & 0x7f;
    // 0 is the indefinite form, which DER forbids (X.690 10.1); three bytes reach 16 MiB, more than any caller hands in.
    if (lengthBytes === 0 || lengthBytes > 3 || contentAt + lengthBytes > limit) return undefined;
    length = bytes.readUIntBE(contentAt, lengthBytes);
    const shortest = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
    if (shortest !== lengthBytes) return undefined;
    contentAt += lengthBytes;
  }
  const end = contentAt + length;
  return end > limit ? undefined : { tag, headerAt: at, contentAt, end };
}

/** The elements inside a constructed element; undefined unless they fill it exactly. */
export function readElements(bytes: Buffer, parent: DerElement): DerElement[] | undefined {
  const elements: DerElement[] = [];
  let at = parent.contentAt;
  while (at < parent.end) {
    const element = readElement(bytes, at, parent.end);
    if (element === undefined || elements.length === mostElements) return undefined;
    elements.push(element);
    at = element.end;
  }
  return elements;
}

/** The whole buffer as one SEQUENCE with nothing behind it, as its elements. */
export function readWholeSequence(bytes: Buffer): DerElement[] | undefined {
  const outer = readElement(bytes, 0, bytes.length);
  if (outer === undefined || outer.tag !== derTag.sequence || outer.end !== bytes.length) return undefined;
  return readElements(bytes, outer);
}

/** Content of an element, a view into `bytes`. */
export function contentOf(bytes: Buffer, element: DerElement): Buffer {
  return bytes.subarray(element.contentAt, element.end);
}

/** Header and content of an element, a view into `bytes`. */
export function encodingOf(bytes: Buffer, element: DerElement): Buffer {
  return bytes.subarray(element.headerAt, element.end);
}

/** Writes one element around the given contents. */
export function writeElement(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const content of contents) length += content.length;
  const header =
    length < 0x80
      ? Buffer.of(tag, length)
      : length < 0x100
        ? Buffer.of(tag, 0x81, length)
        : Buffer.of(tag, 0x82, length >> 8, length & 0xff);
  return Buffer.concat([header, ...contents]);
}
