import { Buffer } from 'node:buffer';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';

/**
 * What the sidecar of an endpoint says first on a `weft-tcp` connection: one byte 0 when the application has accepted the
 * connection, and everything behind it is the application's. Otherwise the length of a Termination code, and the code: no
 * byte has reached an application, so the caller may go to another endpoint. Without it a caller that has an mTLS
 * connection could not tell an application that is down from one that hung up.
 */
export const openReply: Buffer = Buffer.from([0]);

/** Longest code; the table's own are below 40 characters. */
const MAX_CODE_BYTES = 64;

export function refusalReplyBytes(code: TerminationCode): Buffer {
  const text = Buffer.from(code, 'latin1');
  return Buffer.concat([Buffer.from([text.length]), text]);
}

/** Reads the first bytes of such a connection in any pieces. */
export class OpenReplyReader {
  /** Set with `refused`: what the peer said. */
  code: TerminationCode;
  detail: string;
  private expected: number;
  private text: string;

  constructor() {
    this.code = 'connect-refused';
    this.detail = '';
    this.expected = -1;
    this.text = '';
  }

  /** `open`: the application's bytes begin at `taken`. */
  feed(chunk: Buffer, start: number, end: number): { verdict: 'need-more' | 'open' | 'refused'; taken: number } {
    let offset = start;
    if (this.expected < 0 && offset < end) {
      this.expected = chunk[offset]!;
      offset += 1;
      if (this.expected === 0) return { verdict: 'open', taken: offset };
      if (this.expected > MAX_CODE_BYTES) {
        this.detail = 'malformed-open-reply';
        return { verdict: 'refused', taken: end };
      }
    }
    const count = Math.min(this.expected - this.text.length, end - offset);
    if (count > 0) this.text += chunk.toString('latin1', offset, offset + count);
    if (this.text.length < this.expected || this.expected < 0) return { verdict: 'need-more', taken: end };
    if (Object.hasOwn(terminations, this.text)) this.code = this.text as TerminationCode;
    else this.detail = 'unknown-refusal';
    return { verdict: 'refused', taken: end };
  }
}
