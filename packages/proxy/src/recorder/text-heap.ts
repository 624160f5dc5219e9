/** In place of a length: there is no text. */
const ABSENT = 255;

/**
 * Short texts one after the other in a ring of bytes; the oldest are written over. A text is found again by the position that
 * `begin` gave, as long as it is `held`. Characters above U+00FF lose their upper bits: heads are latin-1.
 */
export class TextHeap {
  readonly bytes: Uint8Array;
  /** Bytes ever written: positions count on over the end of the ring. Below 2^53. */
  private end: number;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.end = 0;
  }

  /** Where the next text begins. Nothing written until `begin` is called again is torn by the end of the ring. */
  begin(mostBytes: number): number {
    const at = this.end % this.bytes.length;
    if (at + mostBytes > this.bytes.length) this.end += this.bytes.length - at;
    return this.end;
  }

  /** Writes at most `mostBytes` (up to 254) of a text behind its length. */
  put(text: string, mostBytes: number): void {
    const { bytes } = this;
    const at = this.end % bytes.length;
    const length = text.length < mostBytes ? text.length : mostBytes;
    bytes[at] = length;
    for (let index = 0; index < length; index += 1) bytes[at + 1 + index] = text.charCodeAt(index);
    this.end += length + 1;
  }

  /** In place of a text, for none. */
  putAbsent(): void {
    this.putByte(ABSENT);
  }

  putByte(value: number): void {
    this.bytes[this.end % this.bytes.length] = value;
    this.end += 1;
  }

  isHeld(position: number): boolean {
    return this.end - position <= this.bytes.length;
  }

  reader(position: number): TextReader {
    return new TextReader(this.bytes, position % this.bytes.length);
  }
}

/** Reads what `TextHeap` wrote, in the same order. */
export class TextReader {
  private readonly bytes: Uint8Array;
  private at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  text(): string {
    const length = this.byte();
    let text = '';
    for (let index = 0; index < length; index += 1) text += String.fromCharCode(this.bytes[this.at + index]!);
    this.at += length;
    return text;
  }

  /** Undefined where `putAbsent` was called. */
  optionalText(): string | undefined {
    if (this.bytes[this.at] !== ABSENT) return this.text();
    this.at += 1;
    return undefined;
  }

  byte(): number {
    const value = this.bytes[this.at]!;
    this.at += 1;
    return value;
  }
}
