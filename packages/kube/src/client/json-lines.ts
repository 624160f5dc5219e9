/** Longer than any object that etcd takes (1.5 MiB), with room for what JSON adds. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

/** Cuts a stream of JSON documents, one a line, into documents. Throws on a line that is too long or no JSON. */
export class JsonLines {
  private readonly parts: Buffer[];
  private length: number;

  constructor() {
    this.parts = [];
    this.length = 0;
  }

  /** The documents that end in `chunk`. */
  *feed(chunk: Buffer): Generator<unknown> {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = this.take(chunk.subarray(from, end));
      from = end + 1;
      if (line !== '') yield JSON.parse(line);
    }
    if (from < chunk.length) this.keep(chunk.subarray(from));
  }

  private take(end: Buffer): string {
    if (this.length === 0) return end.toString('utf8');
    this.keep(end);
    const line = Buffer.concat(this.parts, this.length).toString('utf8');
    this.parts.length = 0;
    this.length = 0;
    return line;
  }

  private keep(part: Buffer): void {
    this.length += part.length;
    if (this.length > MAX_LINE_BYTES) throw new Error(`an event of more than ${MAX_LINE_BYTES} bytes`);
    this.parts.push(part);
  }
}
