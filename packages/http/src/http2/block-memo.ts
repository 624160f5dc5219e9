import { Buffer } from 'node:buffer';
import type { Head } from '../head.ts';
import type { HeadEdits } from '../head-edits.ts';
import type { RequestFacts, ResponseFacts } from '../http1/message-facts.ts';
import { firstSlot } from '../slot-mask.ts';
import type { SlotValues } from '../slot-mask.ts';

/** A connection carries the requests of a few dozen others; looking through more costs what coding a head does. */
const ENTRIES = 32;
/** Larger blocks are rare, and 32 of this size are what a connection may hold. */
const BLOCK_BYTES = 1024;

const NOTHING = Buffer.alloc(0);

/** What a block came from. `length` is 0 while nothing is remembered for it. */
class Entry {
  head: Head | undefined = undefined;
  generation = 0;
  edits: HeadEdits | undefined = undefined;
  mask = 0;
  version = 0;
  status = 0;
  framing = 0;
  contentLength = 0;
  expectContinue = false;
  method = '';
  target = '';
  host = '';
  upgrade = '';
  /** By slot: the values that stand in `bytes`. */
  readonly values: (string | undefined)[] = [];
  bytes: Buffer = NOTHING;
  length = 0;
  /** The same came before: the next time its bytes are kept. */
  repeated = false;
}

/**
 * Blocks that were written, by the head and everything that went into them. The same client repeats the same head, and
 * `Head.generation` says so; bytes hold while the dynamic table does. They are kept from the second time on.
 */
export class BlockMemo {
  private readonly entries: Entry[];
  private next: number;

  constructor() {
    this.entries = [];
    this.next = 0;
  }

  /**
   * The entry for a request; its bytes may be sent when `length` is above 0, else `record` fills it. `mask` says which slots have
   * a value; those of `uniqueSlots` stand behind the bytes.
   */
  findRequest(head: Head, edits: HeadEdits, mask: number, facts: RequestFacts, version: number): Entry {
    const entry = this.at(head);
    const same =
      entry.generation === head.generation &&
      entry.edits === edits &&
      entry.mask === mask &&
      entry.status === 0 &&
      entry.framing === facts.framing &&
      entry.contentLength === facts.contentLength &&
      entry.expectContinue === facts.expectContinue &&
      entry.method === facts.method &&
      entry.target === facts.target &&
      entry.host === facts.host &&
      entry.upgrade === facts.upgrade &&
      hasValues(entry, facts.slots, mask & ~edits.uniqueSlots);
    if (!same) {
      entry.generation = head.generation;
      entry.edits = edits;
      entry.mask = mask;
      entry.status = 0;
      entry.framing = facts.framing;
      entry.contentLength = facts.contentLength;
      entry.expectContinue = facts.expectContinue;
      entry.method = facts.method;
      entry.target = facts.target;
      entry.host = facts.host;
      entry.upgrade = facts.upgrade;
      takeValues(entry, facts.slots, mask & ~edits.uniqueSlots);
    }
    return settle(entry, same, version);
  }

  /** The same for a response. */
  findResponse(
    head: Head,
    edits: HeadEdits,
    mask: number,
    status: number,
    facts: ResponseFacts,
    version: number,
  ): Entry {
    const entry = this.at(head);
    const same =
      entry.generation === head.generation &&
      entry.edits === edits &&
      entry.mask === mask &&
      entry.status === status &&
      entry.framing === facts.framing &&
      entry.contentLength === facts.contentLength &&
      hasValues(entry, facts.slots, mask & ~edits.uniqueSlots);
    if (!same) {
      entry.generation = head.generation;
      entry.edits = edits;
      entry.mask = mask;
      entry.status = status;
      entry.framing = facts.framing;
      entry.contentLength = facts.contentLength;
      takeValues(entry, facts.slots, mask & ~edits.uniqueSlots);
    }
    return settle(entry, same, version);
  }

  /** Keeps block[start, end) when the entry has repeated and the table was left as it was. */
  record(entry: Entry, block: Buffer, start: number, end: number, version: number): void {
    const length = end - start;
    if (!entry.repeated || length > BLOCK_BYTES || version !== entry.version) {
      entry.version = version;
      return;
    }
    if (length > entry.bytes.length) entry.bytes = Buffer.allocUnsafeSlow(length + (length >> 1));
    block.copy(entry.bytes, 0, start, end);
    entry.length = length;
  }

  private at(head: Head): Entry {
    const entries = this.entries;
    const hint = head.memoAt;
    if (hint < entries.length && entries[hint]!.head === head) return entries[hint]!;
    for (let index = 0; index < entries.length; index += 1) {
      if (entries[index]!.head !== head) continue;
      head.memoAt = index;
      return entries[index]!;
    }
    if (entries.length < ENTRIES) entries.push(new Entry());
    const entry = entries[this.next]!;
    head.memoAt = this.next;
    this.next = (this.next + 1) % ENTRIES;
    entry.head = head;
    entry.generation = -1;
    return entry;
  }
}

function hasValues(entry: Entry, values: SlotValues, mask: number): boolean {
  for (let rest = mask; rest !== 0; rest &= rest - 1) {
    const index = firstSlot(rest);
    if (entry.values[index] !== values[index]) return false;
  }
  return true;
}

function takeValues(entry: Entry, values: SlotValues, mask: number): void {
  for (let rest = mask; rest !== 0; rest &= rest - 1) {
    const index = firstSlot(rest);
    while (entry.values.length < index) entry.values.push(undefined);
    entry.values[index] = values[index];
  }
}

function settle(entry: Entry, same: boolean, version: number): Entry {
  if (!same || entry.version !== version) entry.length = 0;
  entry.repeated = same;
  entry.version = version;
  return entry;
}
