/**
 * Knows when a reply has ended. For the load programs only: it believes what it is sent, knows replies to GET, and reads
 * the head once per connection as long as the same bytes come again.
 */

export interface ReplyEnd {
  readonly status: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const CHUNKED_END = Buffer.from('0\r\n\r\n');

export class ReplyReader {
  /** Status of the last reply that has ended. */
  status: number;
  private pending: Buffer | undefined;

  constructor() {
    this.status = 0;
    this.pending = undefined;
  }

  /** True when the reply has ended with these bytes. They are not kept when it has. */
  feed(bytes: Buffer): boolean {
    const whole = this.pending === undefined ? bytes : Buffer.concat([this.pending, bytes]);
    if (isWhole(whole)) {
      this.pending = undefined;
      // "HTTP/1.1 200": three digits from the tenth byte on.
      this.status = (whole[9]! - 48) * 100 + (whole[10]! - 48) * 10 + whole[11]! - 48;
      return true;
    }
    // Owned by the socket: the next read overwrites them.
    this.pending = this.pending === undefined ? Buffer.from(bytes) : whole;
    return false;
  }
}

function isWhole(reply: Buffer): boolean {
  const end = reply.indexOf(HEAD_END);
  if (end < 0) return false;
  const head = reply.toString('latin1', 0, end);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length !== null) return reply.length >= end + 4 + Number(length[1]);
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return reply.subarray(-5).equals(CHUNKED_END);
  return true;
}
