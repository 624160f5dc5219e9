// The Redis protocol (RESP 2): just enough of it for a client and for the small server that stands in for Redis.

/** A command as clients send it: an array of bulk strings. */
export function writeCommand(words) {
  return Buffer.from(`*${words.length}\r\n${words.map(writeBulk).join('')}`);
}

export function writeBulk(text) {
  return text === null ? '$-1\r\n' : `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** Takes bytes in any pieces and calls `take` with each whole value: text, number, null, Error or array. */
export class RespReader {
  constructor(take) {
    this.take = take;
    this.held = Buffer.alloc(0);
  }

  /** Throws on what is no RESP. */
  feed(chunk) {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    for (let read; (read = readValue(this.held, 0)) !== undefined;) {
      this.held = this.held.subarray(read.end);
      this.take(read.value);
    }
  }
}

/** `{value, end}`, or undefined while a part is missing. */
function readValue(bytes, start) {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return undefined;
  const line = bytes.toString('utf8', start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[start])) {
    case '+':
      return { value: line, end };
    case '-':
      return { value: new Error(line), end };
    case ':':
      return { value: Number(line), end };
    case '$': {
      const length = Number(line);
      if (length < 0) return { value: null, end };
      if (bytes.length < end + length + 2) return undefined;
      return { value: bytes.toString('utf8', end, end + length), end: end + length + 2 };
    }
    case '*':
      return readArray(bytes, Number(line), end);
    default:
      throw new Error(`no RESP: ${bytes.toString('latin1', start, lineEnd).slice(0, 40)}`);
  }
}

function readArray(bytes, count, start) {
  const value = [];
  let end = start;
  while (value.length < count) {
    const read = readValue(bytes, end);
    if (read === undefined) return undefined;
    value.push(read.value);
    end = read.end;
  }
  return { value, end };
}
