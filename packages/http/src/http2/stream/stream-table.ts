import type { Http2Stream } from './stream.ts';

/** How a stream that is gone ended, as far as it matters for frames that come late (RFC 9113 §5.1). */
export const Closing = { Unknown: 0, Ended: 1, ResetByPeer: 2, ResetByUs: 3 } as const;
export type Closing = (typeof Closing)[keyof typeof Closing];

const FIRST_SLOTS = 16;
const MAX_SLOTS = 1024;
const REMEMBERED = 128;

/**
 * Open streams by id. Ids are dense and rise, so nearly all have a slot of their own by their low bits; those that share
 * one with a long-lived stream go to a map. The last closed ones are remembered too.
 */
export class StreamTable {
  /** Open streams. */
  size: number;
  private slots: (Http2Stream | undefined)[];
  private readonly others: Map<number, Http2Stream>;
  private closedIds: Int32Array;
  private readonly closings: Uint8Array;
  private nextClosed: number;

  constructor() {
    this.size = 0;
    this.slots = emptySlots(FIRST_SLOTS);
    this.others = new Map();
    // Nothing is remembered for connections that never close a stream.
    this.closedIds = new Int32Array(0);
    this.closings = new Uint8Array(REMEMBERED);
    this.nextClosed = 0;
  }

  get(id: number): Http2Stream | undefined {
    const stream = this.slots[(id >>> 1) & (this.slots.length - 1)];
    if (stream !== undefined && stream.id === id) return stream;
    return this.others.size === 0 ? undefined : this.others.get(id);
  }

  add(stream: Http2Stream): void {
    if (this.size >= this.slots.length >> 1 && this.slots.length < MAX_SLOTS) this.grow();
    this.size += 1;
    this.place(stream);
  }

  remove(stream: Http2Stream, closing: Closing): void {
    const slot = (stream.id >>> 1) & (this.slots.length - 1);
    if (this.slots[slot] === stream) this.slots[slot] = undefined;
    else this.others.delete(stream.id);
    this.size -= 1;
    if (this.closedIds.length === 0) this.closedIds = new Int32Array(REMEMBERED);
    this.closedIds[this.nextClosed] = stream.id;
    this.closings[this.nextClosed] = closing;
    this.nextClosed = (this.nextClosed + 1) % REMEMBERED;
  }

  /** How a stream that is not open ended; `Unknown` for those that never were, or too long ago. */
  closing(id: number): Closing {
    const at = this.closedIds.lastIndexOf(id);
    return at < 0 ? Closing.Unknown : (this.closings[at] as Closing);
  }

  /** All open streams, in no order; a copy, since what is done to them may close them. */
  all(): Http2Stream[] {
    const streams = [...this.others.values()];
    for (const stream of this.slots) if (stream !== undefined) streams.push(stream);
    return streams;
  }

  private place(stream: Http2Stream): void {
    const slot = (stream.id >>> 1) & (this.slots.length - 1);
    if (this.slots[slot] === undefined) this.slots[slot] = stream;
    else this.others.set(stream.id, stream);
  }

  private grow(): void {
    const streams = this.all();
    this.slots = emptySlots(this.slots.length * 4);
    this.others.clear();
    for (const stream of streams) this.place(stream);
  }
}

function emptySlots(count: number): (Http2Stream | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}
