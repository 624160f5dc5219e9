import type { Buffer } from 'node:buffer';
import { Head } from '../head.ts';
import { MethodId } from '../method.ts';
import { HeadMemo } from './head-memo.ts';
import { readRequestHead, readResponseHead, readTrailers } from './head-rules.ts';
import { HpackDecoder } from './hpack/decoder.ts';
import type { Http2Limits } from './limits.ts';

/** As many as a caller has under way at once; a mesh leg gathers the calls of all connections of an application. */
const POOLED_HEADS = 128;

/** What a block was read as: the same bytes mean another head when they end the stream or answer HEAD. */
const Variant = { Request: 0, Trailers: 2, Response: 8 } as const;

/**
 * Header blocks of one connection to checked heads: through the memo when the same bytes came before, else by decoder
 * and rules into a head of the pool. Every block must be given, in order, wanted or not (RFC 9113 §4.3).
 *
 * A function that returns undefined has said why: `compressionFault` (the connection ends) or else `detail`.
 */
export class HeadReader {
  compressionFault: string;
  detail: string;
  /** The head returned last is shared with other streams: nobody may change it or give it back. */
  shared: boolean;
  /** The block read last changed the size of the table. */
  resized: boolean;
  private readonly limits: Http2Limits;
  private readonly connectProtocol: boolean;
  private readonly decoder: HpackDecoder;
  private readonly memo: HeadMemo;
  private readonly free: Head[];

  constructor(limits: Http2Limits, connectProtocol: boolean) {
    this.compressionFault = '';
    this.detail = '';
    this.shared = false;
    this.resized = false;
    this.limits = limits;
    this.connectProtocol = connectProtocol;
    this.decoder = new HpackDecoder(limits.decoderTableBytes);
    this.memo = new HeadMemo();
    this.free = [];
  }

  /** The peer knows the size of our table from here on. */
  settingsAcked(): void {
    this.decoder.announced(this.limits.decoderTableBytes);
  }

  /** A request head; `fault` is one that its frame had already, empty for none. */
  readRequest(block: Buffer, start: number, end: number, ends: boolean, fault: string): Head | undefined {
    const variant = fault === '' ? Variant.Request + (ends ? 1 : 0) : -1;
    const known = this.recall(block, start, end, variant);
    if (known !== undefined) return known;
    const head = this.decode(block, start, end, this.limits.headBytes);
    if (head === undefined) return undefined;
    const { decoder, limits } = this;
    const detail =
      decoder.messageFault || fault || readRequestHead(head, decoder, ends, limits.targetBytes, this.connectProtocol);
    return this.settle(block, start, end, variant, head, detail);
  }

  /** A response head to a request of `methodId`; `upgrade` is the protocol of its extended CONNECT. */
  readResponse(
    block: Buffer,
    start: number,
    end: number,
    ends: boolean,
    methodId: number,
    upgrade: string,
  ): Head | undefined {
    const kind = methodId === MethodId.Head ? 2 : methodId === MethodId.Connect ? 4 : 0;
    // What an extended CONNECT is answered depends on what was offered.
    const variant = upgrade === '' ? Variant.Response + kind + (ends ? 1 : 0) : -1;
    const known = this.recall(block, start, end, variant);
    if (known !== undefined) return known;
    const head = this.decode(block, start, end, this.limits.headBytes);
    if (head === undefined) return undefined;
    const detail = this.decoder.messageFault || readResponseHead(head, this.decoder, ends, methodId, upgrade);
    return this.settle(block, start, end, variant, head, detail);
  }

  /** Trailers; the only block behind a head, so it ends the stream (RFC 9113 §8.1). */
  readTrailers(block: Buffer, start: number, end: number, ends: boolean, fault: string): Head | undefined {
    const variant = ends && fault === '' ? Variant.Trailers : -1;
    const known = this.recall(block, start, end, variant);
    if (known !== undefined) return known;
    const trailers = this.decode(block, start, end, this.limits.trailerBytes);
    if (trailers === undefined) return undefined;
    const { decoder } = this;
    const syntax = decoder.messageFault === 'head-too-large' ? 'trailers-too-large' : decoder.messageFault;
    const detail = ends ? syntax || fault || readTrailers(trailers, decoder) : 'trailers-without-end';
    return this.settle(block, start, end, variant, trailers, detail);
  }

  /** Reads a block that nobody wants, for the table's sake. */
  skip(block: Buffer, start: number, end: number): void {
    const head = this.decode(block, start, end, 0);
    if (head !== undefined) this.giveBack(head);
  }

  /** A head that is not shared and that nobody looks at any more. */
  giveBack(head: Head): void {
    if (head.oversized) head.shrink();
    if (this.free.length < POOLED_HEADS) this.free.push(head);
  }

  /** Of the block read last, see `HpackDecoder`. */
  get excess(): number {
    return this.decoder.excess;
  }

  /** No stream is open: heads for the next ones are made when they come. */
  rest(): void {
    this.free.length = 0;
  }

  private recall(block: Buffer, start: number, end: number, variant: number): Head | undefined {
    const { decoder } = this;
    const known =
      variant < 0 || decoder.owesResize ? undefined : this.memo.find(block, start, end, variant, decoder.version);
    this.compressionFault = '';
    this.detail = '';
    this.resized = false;
    this.shared = known !== undefined;
    if (known === undefined) return undefined;
    if (known.added !== null) decoder.repeat(known.added);
    return known.head;
  }

  private decode(block: Buffer, start: number, end: number, listBytes: number): Head | undefined {
    const head = this.free.pop() ?? new Head();
    head.reset();
    const fine = this.decoder.decode(block, start, end, head, listBytes, this.limits.fieldCount);
    this.compressionFault = this.decoder.compressionFault;
    this.resized = this.decoder.resized;
    this.shared = false;
    return fine ? head : undefined;
  }

  private settle(
    block: Buffer,
    start: number,
    end: number,
    variant: number,
    head: Head,
    detail: string,
  ): Head | undefined {
    this.detail = detail;
    if (detail !== '') {
      this.giveBack(head);
      return undefined;
    }
    head.checked = true;
    if (variant >= 0) this.remember(block, start, end, variant, head);
    return head;
  }

  private remember(block: Buffer, start: number, end: number, variant: number, head: Head): void {
    const { decoder, memo } = this;
    // A block that refers to the table and changes it means something else the next time.
    if (decoder.changedTable && decoder.usedTable) return;
    const version = decoder.usedTable ? decoder.version : -1;
    if (!memo.repeats(block, start, end, variant, version)) return;
    const added = decoder.changedTable ? decoder.addedByBlock(head) : null;
    if (added === undefined) return;
    memo.keep(block, start, end, variant, version, head, added);
    this.shared = true;
  }
}
