import { Buffer } from 'node:buffer';
import { ByteWriter } from '@weft/kernel';
import { terminations } from '@weft/outcome';
import type { TerminationCode } from '@weft/outcome';
import { FieldId } from '../field-id.ts';
import { Framing } from '../framing.ts';
import type { Head } from '../head.ts';
import type { HeadEdits } from '../head-edits.ts';
import type { RequestFacts, ResponseFacts } from '../http1/message-facts.ts';
import { requestHeadRefusal } from '../http1/refusal.ts';
import type { LocalReply } from '../local-reply.ts';
import { MethodId } from '../method.ts';
import { ALIVE_PING, ControlFrames, DRAIN_PING, GROWTH_PING } from './control-frames.ts';
import type { ControlOwner } from './control-frames.ts';
import { Http2ErrorCode, http2ErrorName } from './error-code.ts';
import { Flood, FloodGuard } from './flood-guard.ts';
import { FrameReader } from './frame/frame-reader.ts';
import type { FrameHandler } from './frame/frame-reader.ts';
import { CLIENT_PREFACE, FrameFlag, FrameType, INITIAL_WINDOW_BYTES, SettingId } from './frame/frame-type.ts';
import {
  beginHeaders,
  endHeaders,
  writeGoaway,
  writeRstStream,
  writeSettings,
  writeWindowUpdate,
} from './frame/frame-writer.ts';
import { BlockState, HeaderBlock } from './frame/header-block.ts';
import { HeadReader } from './head-reader.ts';
import { Http2HeadWriter } from './head-writer.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import type { Http2Limits } from './limits.ts';
import { readPriority } from './priority.ts';
import { ReceiveCredit } from './receive-credit.ts';
import { Sender } from './sender.ts';
import type { SenderOwner } from './sender.ts';
import type { PeerSettings } from './settings.ts';
import { Closing, StreamTable } from './stream/stream-table.ts';
import { Http2Stream } from './stream/stream.ts';
import type { Http2StreamOwner, Http2StreamSink } from './stream/stream.ts';

/** Hears a connection. Calls come synchronously out of `feed`, `written` or whatever else was called. */
export interface Http2ConnectionSink {
  /** Server: a request has come. Sets `stream.sink`, which hears `onHead` next. */
  onStream(stream: Http2Stream): void;
  /** Server: a head was answered or reset by the codec itself and never became a stream. */
  onRefusedHead(code: TerminationCode, detail: string): void;
  /** The output is no longer empty: write it at the end of this turn. Once until `written`. */
  onOutput(): void;
  /** The peer's SETTINGS were taken, the first or new ones. */
  onSettings(): void;
  /** A PING of `ping` was answered. */
  onPong(): void;
  /** A stream has closed: another may be opened (client), or a drain be over. */
  onStreamClosed(): void;
  /** The peer takes no new streams (RFC 9113 §6.8). Streams it will not handle have heard `stream-refused`. */
  onGoaway(errorCode: number, detail: string): void;
  /**
   * The connection cannot go on: what is in the output (GOAWAY) is written and the transport closed. `errorCode` is the
   * one of RFC 9113 §7 that was sent; ENHANCE_YOUR_CALM says the peer flooded us and `detail` with what.
   */
  onConnectionEnd(code: TerminationCode, errorCode: number, detail: string): void;
}

export interface Http2ConnectionOptions {
  readonly role: 'client' | 'server';
  readonly limits: Http2Limits;
  /** `:scheme` of requests that are written; what was received is checked and not kept. */
  readonly scheme: 'http' | 'https';
  /** Server: take extended CONNECT (RFC 8441). */
  readonly connectProtocol: boolean;
}

/** A peer that has not said how many streams it takes is given this many (RFC 9113 §6.5.2 asks servers for as much). */
const STREAMS_BEFORE_SETTINGS = 100;
const MAX_STREAM_ID = 2 ** 31 - 1;
const PADDING_WASTE_BYTES = 128;

const silentSink: Http2StreamSink = {
  onHead() {},
  onData() {},
  onTrailers() {},
  onEnd() {},
  onTermination() {},
  onDrained() {},
};

/**
 * One HTTP/2 connection (RFC 9113) from either side, as a function of bytes: `feed` takes what the peer sent, `output`
 * holds what is to be sent to it, the sinks hear events. It knows no socket and no clock, and nothing the peer sends
 * makes it throw.
 *
 *   Open -drain()-> Draining (GOAWAY 2^31-1, then the last id once the PING came back) -last stream closed-> drained
 *     \---- protocol error, flood, close() ----> dead (GOAWAY in the output)
 */
export class Http2Connection implements FrameHandler, SenderOwner, Http2StreamOwner, ControlOwner {
  /** When our SETTINGS were sent by the clock of `feed`; the owner closes when no ACK comes in time (RFC 9113 §6.5.3). */
  settingsSentMs: number;
  draining: boolean;
  dead: boolean;
  private readonly server: boolean;
  private readonly limits: Http2Limits;
  private readonly connectProtocol: boolean;
  private readonly sink: Http2ConnectionSink;
  private readonly frames: FrameReader;
  private readonly heads: HeadReader;
  private readonly encoder: HpackEncoder;
  private readonly writer: Http2HeadWriter;
  private readonly sender: Sender;
  private readonly table: StreamTable;
  private readonly guard: FloodGuard;
  private readonly credit: ReceiveCredit;
  private readonly control: ControlFrames;
  private readonly block: HeaderBlock;
  private scratch: ByteWriter | null;
  private nowMs: number;
  /** Highest stream id the peer opened (server) or we did (client). */
  private lastId: number;
  /** Ids passed over last: they are closed, and nobody may use them (RFC 9113 §5.1.1). */
  private skippedFrom: number;
  private skippedTo: number;
  /** What our final GOAWAY said. */
  private goawayId: number;
  private dataStream: Http2Stream | null;
  private dataEnds: boolean;

  constructor(options: Http2ConnectionOptions, sink: Http2ConnectionSink) {
    const { limits } = options;
    this.settingsSentMs = -1;
    this.draining = false;
    this.dead = false;
    this.server = options.role === 'server';
    this.limits = limits;
    this.connectProtocol = options.connectProtocol;
    this.sink = sink;
    this.frames = new FrameReader(this, this.server);
    this.heads = new HeadReader(limits, options.connectProtocol);
    this.encoder = new HpackEncoder(limits.encoderTableBytes);
    this.writer = new Http2HeadWriter(this.encoder, options.scheme);
    this.sender = new Sender(limits, this);
    this.table = new StreamTable();
    this.guard = new FloodGuard(limits.resetPatience);
    this.credit = new ReceiveCredit(limits);
    const { server, sender, table, guard, credit, encoder, heads } = this;
    this.control = new ControlFrames(this, { server, sender, table, guard, credit, encoder, heads });
    this.block = new HeaderBlock(limits);
    this.scratch = null;
    this.nowMs = 0;
    this.lastId = this.server ? 0 : -1;
    this.skippedFrom = 0;
    this.skippedTo = 0;
    this.goawayId = MAX_STREAM_ID;
    this.dataStream = null;
    this.dataEnds = false;
    this.begin();
  }

  get peer(): PeerSettings {
    return this.control.peer;
  }

  /** The peer's SETTINGS have come: it speaks HTTP/2 and has taken the connection. */
  get settingsSeen(): boolean {
    return this.control.settingsSeen;
  }

  /** Our SETTINGS are acknowledged. */
  get settingsAcked(): boolean {
    return this.control.settingsAcked;
  }

  /** The peer said GOAWAY. */
  get goawaySeen(): boolean {
    return this.control.goawaySeen;
  }

  /** What is to be written to the peer. After it was handed over, or copied, call `written`. */
  get output(): ByteWriter {
    return this.sender.output;
  }

  /** Open streams. */
  get streams(): number {
    return this.table.size;
  }

  /** Bytes that wait because a window or the turn is full, over all streams. */
  get queuedBytes(): number {
    return this.sender.queuedBytes;
  }

  /** Client: another stream may be opened now. */
  get canOpen(): boolean {
    const most = this.settingsSeen ? this.peer.concurrentStreams : STREAMS_BEFORE_SETTINGS;
    return (
      !this.server &&
      !this.dead &&
      !this.draining &&
      !this.goawaySeen &&
      this.table.size < most &&
      this.lastId < MAX_STREAM_ID - 1
    );
  }

  /** A drain is over: no stream is open and none can come. */
  get drained(): boolean {
    return this.table.size === 0 && (this.goawayId !== MAX_STREAM_ID || (!this.server && this.draining));
  }

  /**
   * Streams stand in each other's way: half of what may be held for slow readers is held here, or all of it may come to be, or
   * the peer has shut the connection's window while data waits for it.
   */
  get choked(): boolean {
    return this.credit.strained || (this.sender.window <= 0 && this.sender.queuedBytes > 0);
  }

  /** So much waits to be read by the peer that reading more from it would only add to it. */
  get congested(): boolean {
    return this.sender.output.length > 4 * this.limits.turnBytes;
  }

  /** The bytes so far were no HTTP/2 at all: the connection preface is not whole. */
  get inPreface(): boolean {
    return this.frames.inPreface;
  }

  /** The peer owes the rest of something that is whole within a moment: the preface, a header block, a control frame. */
  get partial(): boolean {
    return this.block.partialId !== 0 || this.frames.inPreface || this.frames.inFrame;
  }

  /** A header block has begun and its CONTINUATION is to come. */
  get inHeaderBlock(): boolean {
    return this.block.partialId !== 0;
  }

  /** Frames that have begun so far: `partial` of the same one for long is a peer that holds it back. */
  get framesRead(): number {
    return this.frames.framesRead;
  }

  /** Reads chunk[start, end), which arrived at `nowMs` of a clock that never falls. Takes all of it. */
  feed(chunk: Buffer, start: number, end: number, nowMs: number): void {
    if (this.dead) return;
    this.tick(nowMs);
    this.frames.feed(chunk, start, end);
    if (!this.dead) this.sender.pump();
  }

  /** The peer will send nothing more: every open stream ends. */
  eof(): void {
    if (this.dead) return;
    this.dead = true;
    this.frames.stop();
    this.terminateAll('closed');
  }

  /** Nothing is under way and nothing is expected soon: gives back memory that was kept for the next streams. */
  rest(): void {
    if (this.table.size === 0) this.heads.rest();
  }

  /** The output was handed to the transport at `nowMs`: takes what waits. True when there is more to write. */
  written(nowMs: number): boolean {
    this.tick(nowMs);
    this.control.written();
    return this.sender.written();
  }

  /**
   * Client: opens a stream with a request head. Undefined when `canOpen` is false, when the request asks for an upgrade
   * that the peer does not take, or when a text could not stand in the head; nothing was written then.
   */
  open(sink: Http2StreamSink, head: Head, edits: HeadEdits, facts: RequestFacts): Http2Stream | undefined {
    if (!this.canOpen || (facts.upgrade !== '' && !this.canUpgrade(facts.upgrade))) return undefined;
    const id = this.lastId + 2;
    const output = this.sender.output;
    const at = beginHeaders(output, id, false);
    if (!this.writer.writeRequest(output, head, edits, facts)) {
      output.length = at;
      return undefined;
    }
    endHeaders(output, at, id);
    this.lastId = id;
    const stream = this.addStream(id, sink);
    stream.methodId = facts.method === '' ? head.methodId : MethodId.Other;
    stream.upgrade = facts.upgrade;
    stream.lastFrameAt = at;
    stream.lastTurn = this.sender.turn;
    this.sender.signal();
    return stream;
  }

  /** The peer takes an upgrade to `protocol` as extended CONNECT: one at a time, and only if it said so (RFC 8441 §3). */
  canUpgrade(protocol: string): boolean {
    return this.peer.connectProtocol && protocol !== '' && !protocol.includes(',');
  }

  sendReply(stream: Http2Stream, reply: LocalReply): void {
    if (stream.closed || stream.localEnded || stream.headSeen) return;
    const body = Buffer.from(reply.body, 'utf8');
    const output = this.sender.output;
    const bodyless = reply.status === 204 || reply.status === 304;
    const at = beginHeaders(output, stream.id, false);
    this.writer.begin(output);
    this.writer.writeStatus(output, reply.status);
    for (const { name, value } of reply.fields) this.writer.writeField(output, name, value);
    if (!bodyless) {
      if (body.length > 0) this.writer.writeField(output, 'content-type', reply.contentType);
      this.writer.writeField(output, 'content-length', String(body.length));
    }
    endHeaders(output, at, stream.id);
    this.markHead(stream, at);
    if (!bodyless && stream.methodId !== MethodId.Head && body.length > 0) {
      this.sendData(stream, body, 0, body.length);
    }
    this.sendEnd(stream, null);
  }

  sendResponseHead(stream: Http2Stream, head: Head, edits: HeadEdits, facts: ResponseFacts): boolean {
    if (stream.closed || stream.localEnded) return true;
    const status = facts.status === 0 ? head.status : facts.status;
    // There is no 101 but the one that accepts an extended CONNECT (RFC 9113 §8.6).
    if (status === 101 && stream.upgrade === '') return false;
    const output = this.sender.output;
    const at = beginHeaders(output, stream.id, false);
    if (!this.writer.writeResponse(output, head, edits, facts)) {
      output.length = at;
      return false;
    }
    endHeaders(output, at, stream.id);
    if (status >= 200 || status === 101) this.markHead(stream, at);
    else this.sender.signal();
    return true;
  }

  sendData(stream: Http2Stream, chunk: Buffer, start: number, end: number): void {
    if (stream.closed || stream.localEnded || stream.endWaiting || start >= end) return;
    this.sender.send(stream, chunk, start, end);
  }

  sendEnd(stream: Http2Stream, trailers: Head | null): void {
    if (stream.closed || stream.localEnded || stream.endWaiting) return;
    this.sender.end(stream, trailers === null ? null : this.codeTrailers(trailers, stream.queue.length === 0));
  }

  resetStream(stream: Http2Stream, errorCode: number): void {
    if (stream.closed) return;
    stream.sink = silentSink;
    writeRstStream(this.sender.output, stream.id, errorCode);
    this.sender.signal();
    this.close(stream, Closing.ResetByUs);
  }

  grant(stream: Http2Stream, bytes: number): void {
    this.credit.grant(stream, bytes);
    if (!stream.closed && !stream.remoteEnded) this.announceStreamCredit(stream);
    this.announceCredit();
  }

  release(stream: Http2Stream): void {
    if (stream.head !== null && !stream.sharedHead) this.heads.giveBack(stream.head);
    if (stream.trailers !== null && !stream.sharedTrailers) this.heads.giveBack(stream.trailers);
    stream.head = null;
    stream.trailers = null;
  }

  /** Asks whether the peer is still there; `onPong` tells. */
  ping(): void {
    this.control.sendPing(ALIVE_PING);
  }

  /**
   * Takes no new streams and lets the open ones end: a server says GOAWAY with the highest id, and with the real one
   * once every request under way must have come (RFC 9113 §6.8), by the answer to a PING or `finishDrain`.
   */
  drain(): void {
    if (this.dead || this.draining) return;
    this.draining = true;
    if (!this.server) {
      writeGoaway(this.sender.output, 0, Http2ErrorCode.NoError, '');
      this.goawayId = 0;
    } else {
      writeGoaway(this.sender.output, MAX_STREAM_ID, Http2ErrorCode.NoError, '');
      this.control.sendPing(DRAIN_PING);
    }
    this.sender.signal();
  }

  /** The second phase of `drain`, for a peer that does not answer. */
  finishDrain(): void {
    if (this.dead || !this.draining || this.goawayId !== MAX_STREAM_ID) return;
    this.goawayId = this.lastId;
    writeGoaway(this.sender.output, this.lastId, Http2ErrorCode.NoError, '');
    this.sender.signal();
    if (this.table.size === 0) this.sink.onStreamClosed();
  }

  /** Ends the connection with an error code; open streams hear a termination. The output then holds the GOAWAY. */
  abort(errorCode: number, detail: string): void {
    this.die(errorCode, detail);
  }

  /** Resets streams whose data has waited for the peer's windows for `limitMs` without progress; returns how many. */
  resetStalled(nowMs: number, limitMs: number): number {
    let count = 0;
    for (const stream of this.table.all()) {
      if (stream.stalledSinceMs < 0 || nowMs - stream.stalledSinceMs < limitMs) continue;
      const sink = stream.sink;
      this.resetStream(stream, Http2ErrorCode.Cancel);
      sink.onTermination(this.server ? 'downstream-write-timeout' : 'stream-idle-timeout', 'window-stalled');
      count += 1;
    }
    return count;
  }

  onOutput(): void {
    this.sink.onOutput();
  }

  onLocalEnd(stream: Http2Stream): void {
    stream.localEnded = true;
    if (stream.remoteEnded) this.close(stream, Closing.Ended);
    else if (stream.resetAtEnd) this.resetUnread(stream);
  }

  /** RFC 9113 §8.1: the response is whole, the rest of the request is of no use. */
  resetUnread(stream: Http2Stream): void {
    this.resetStream(stream, Http2ErrorCode.NoError);
    // It was answered to its end like any other.
    this.guard.creditStream();
  }

  beginBlock(output: ByteWriter): void {
    this.writer.begin(output);
  }

  onSettingsTaken(): void {
    this.sink.onSettings();
  }

  onPong(): void {
    this.sink.onPong();
  }

  onPeerGoaway(errorCode: number, detail: string): void {
    this.sink.onGoaway(errorCode, detail);
  }

  onFrameFault(errorCode: number, detail: string): void {
    this.die(errorCode, detail);
  }

  onFrame(type: number, flags: number, streamId: number, payload: Buffer, start: number, end: number): void {
    // RFC 9113 §6.10: nothing comes between the parts of a header block.
    const { partialId } = this.block;
    if (partialId !== 0 && (type !== FrameType.Continuation || streamId !== partialId)) {
      this.die(Http2ErrorCode.ProtocolError, 'interleaved-header-block');
      return;
    }
    switch (type) {
      case FrameType.Headers:
        this.onHeaders(flags, streamId, payload, start, end);
        break;
      case FrameType.Continuation:
        this.onPart(this.block.add(flags, payload, start, end), streamId);
        break;
      case FrameType.WindowUpdate:
        this.control.onWindowUpdate(streamId, payload, start, end);
        break;
      case FrameType.RstStream:
        this.onRstStream(streamId, payload, start, end);
        break;
      case FrameType.Settings:
        this.control.onSettings(flags, streamId, payload, start, end);
        break;
      case FrameType.Ping:
        this.control.onPing(flags, streamId, payload, start, end);
        break;
      case FrameType.Goaway:
        this.control.onGoaway(streamId, payload, start, end);
        break;
      case FrameType.Priority:
        this.control.onPriority(streamId, payload, start, end);
        break;
      case FrameType.PriorityUpdate:
        this.control.onPriorityUpdate(streamId, payload, start, end);
        break;
      case FrameType.PushPromise:
        // RFC 9113 §8.4: clients push nothing, and we have switched it off for servers.
        this.die(Http2ErrorCode.ProtocolError, 'push-promise');
        break;
      default:
        this.count(Flood.Unknown);
    }
  }

  onDataFrame(flags: number, streamId: number, payloadBytes: number, paddingBytes: number): void {
    this.dataStream = null;
    this.dataEnds = (flags & FrameFlag.EndStream) !== 0;
    if (this.block.partialId !== 0) {
      this.die(Http2ErrorCode.ProtocolError, 'interleaved-header-block');
      return;
    }
    // Padding and dropped data count against the connection's window as well (RFC 9113 §6.9).
    if (!this.credit.take(payloadBytes)) {
      this.die(Http2ErrorCode.FlowControlError, 'connection-window-exceeded');
      return;
    }
    const dataBytes = payloadBytes - paddingBytes;
    if (dataBytes === 0 && !this.dataEnds && !this.count(Flood.EmptyData)) return;
    if (paddingBytes >= PADDING_WASTE_BYTES && dataBytes < 16 && !this.count(Flood.Padding)) return;
    const stream = this.table.get(streamId);
    if (stream === undefined) this.onStrayData(streamId);
    else if (this.admitData(stream, payloadBytes, dataBytes)) {
      this.dataStream = stream;
      stream.creditBytes += paddingBytes;
      if (dataBytes > 0) this.guard.creditData(1);
    }
    if (!this.dead) this.announceCredit();
  }

  onDataBytes(chunk: Buffer, start: number, end: number): void {
    const stream = this.dataStream;
    if (stream === null || stream.closed) return;
    const bytes = end - start;
    this.credit.hold(stream, bytes);
    if (this.credit.growth.onData(bytes, this.nowMs)) this.control.sendPing(GROWTH_PING);
    stream.sink.onData(chunk, start, end);
  }

  onDataFrameEnd(): void {
    const stream = this.dataStream;
    this.dataStream = null;
    if (stream === null || stream.closed) return;
    if (this.dataEnds) this.endRemote(stream);
    else this.announceStreamCredit(stream);
  }

  /** What both sides say first (RFC 9113 §3.4). */
  private begin(): void {
    const { limits } = this;
    const output = this.sender.output;
    const settings: [number, number][] = [
      [SettingId.HeaderTableSize, limits.decoderTableBytes],
      [SettingId.InitialWindowSize, limits.streamWindowBytes],
      [SettingId.MaxHeaderListSize, limits.headBytes],
    ];
    if (this.server) {
      settings.push([SettingId.MaxConcurrentStreams, limits.concurrentStreams], [SettingId.NoRfc7540Priorities, 1]);
      if (this.connectProtocol) settings.push([SettingId.EnableConnectProtocol, 1]);
    } else {
      output.latin1(CLIENT_PREFACE);
      settings.push([SettingId.EnablePush, 0]);
    }
    writeSettings(output, settings);
    if (limits.connectionWindowBytes > INITIAL_WINDOW_BYTES) {
      writeWindowUpdate(output, 0, limits.connectionWindowBytes - INITIAL_WINDOW_BYTES);
    }
  }

  private tick(nowMs: number): void {
    this.nowMs = nowMs;
    this.sender.nowMs = nowMs;
    if (this.settingsSentMs < 0) this.settingsSentMs = nowMs;
    this.guard.tick(nowMs);
  }

  private addStream(id: number, sink: Http2StreamSink): Http2Stream {
    const receive = this.credit.initialBytes;
    const stream = new Http2Stream(this, id, sink, this.peer.initialWindowBytes, receive, receive);
    this.table.add(stream);
    return stream;
  }

  private markHead(stream: Http2Stream, at: number): void {
    stream.headSeen = true;
    stream.lastFrameAt = at;
    stream.lastTurn = this.sender.turn;
    this.sender.signal();
  }

  private codeTrailers(trailers: Head, mayIndex: boolean): Buffer | null {
    this.scratch ??= new ByteWriter(512);
    const scratch = this.scratch;
    scratch.reset();
    this.writer.writeTrailers(scratch, trailers, mayIndex);
    return scratch.length === 0 ? null : Buffer.from(scratch.buffer.subarray(0, scratch.length));
  }

  private onHeaders(flags: number, streamId: number, payload: Buffer, start: number, end: number): void {
    if (streamId === 0) {
      this.die(Http2ErrorCode.ProtocolError, 'headers-on-stream-0');
      return;
    }
    this.onPart(this.block.open(flags, streamId, payload, start, end), streamId);
  }

  private onPart(state: BlockState, id: number): void {
    const { block } = this;
    if (state === BlockState.Refused) this.die(block.errorCode, block.detail);
    else if (state === BlockState.Whole) this.onBlock(id, block.ends, block.bytes, block.start, block.end);
  }

  private onBlock(id: number, ends: boolean, block: Buffer, start: number, end: number): void {
    const stream = this.table.get(id);
    if (stream !== undefined) {
      if (stream.remoteEnded) {
        if (this.skipBlock(block, start, end)) this.fault(stream, Http2ErrorCode.StreamClosed, 'headers-after-end');
      } else if (this.server || stream.headSeen) this.onTrailerBlock(stream, ends, block, start, end);
      else this.onResponseBlock(stream, ends, block, start, end);
      return;
    }
    if (this.server && (id & 1) === 1 && id > this.lastId) this.onRequestBlock(id, ends, block, start, end);
    else if (!this.wasOpen(id) || (id >= this.skippedFrom && id <= this.skippedTo)) {
      this.die(Http2ErrorCode.ProtocolError, 'bad-stream-id');
    } else this.onStrayBlock(id, block, start, end);
  }

  private onRequestBlock(id: number, ends: boolean, block: Buffer, start: number, end: number): void {
    if (id > this.lastId + 2) {
      this.skippedFrom = this.lastId + 1;
      this.skippedTo = id - 1;
    }
    this.lastId = id;
    // After the final GOAWAY: read for the table's sake, and not answered (RFC 9113 §6.8).
    if (id > this.goawayId) {
      this.skipBlock(block, start, end);
      return;
    }
    if (this.table.size >= this.limits.concurrentStreams) {
      if (this.skipBlock(block, start, end)) this.refuse(id, Http2ErrorCode.RefusedStream);
      return;
    }
    const head = this.heads.readRequest(block, start, end, ends, this.block.fault);
    const { shared } = this.heads;
    if (!this.decoded()) return;
    if (head === undefined) {
      this.refuseHead(id, this.heads.detail);
      return;
    }
    const stream = this.addStream(id, silentSink);
    stream.head = head;
    stream.sharedHead = shared;
    stream.methodId = head.methodId;
    stream.upgrade = head.upgrade;
    const tunnel = head.upgrade !== '' || head.methodId === MethodId.Connect;
    stream.expectedBytes = tunnel || head.framing === Framing.Chunked ? -1 : Math.max(0, head.contentLength);
    readPriority(stream, head, FieldId.Priority);
    this.sink.onStream(stream);
    stream.sink.onHead(head);
    if (ends && !stream.closed) this.endRemote(stream);
  }

  private onResponseBlock(stream: Http2Stream, ends: boolean, block: Buffer, start: number, end: number): void {
    const { methodId } = stream;
    const head = this.heads.readResponse(block, start, end, ends, methodId, stream.upgrade);
    const { shared } = this.heads;
    if (!this.decoded()) return;
    if (head === undefined) {
      this.fault(stream, Http2ErrorCode.ProtocolError, this.heads.detail);
      return;
    }
    this.release(stream);
    stream.head = head;
    stream.sharedHead = shared;
    if (head.status < 200 && head.status !== 101) {
      stream.informationalHeads += 1;
      if (stream.informationalHeads > this.limits.informationalHeads) {
        this.fault(stream, Http2ErrorCode.EnhanceYourCalm, 'too-many-informational');
      } else stream.sink.onHead(head);
      return;
    }
    stream.headSeen = true;
    const tunnel = head.status === 101 || (methodId === MethodId.Connect && head.status < 300);
    stream.expectedBytes =
      tunnel || head.framing === Framing.Chunked ? -1 : head.framing === Framing.Length ? head.contentLength : 0;
    stream.sink.onHead(head);
    if (ends && !stream.closed) this.endRemote(stream);
  }

  private onTrailerBlock(stream: Http2Stream, ends: boolean, block: Buffer, start: number, end: number): void {
    const trailers = this.heads.readTrailers(block, start, end, ends, this.block.fault);
    const { shared } = this.heads;
    if (!this.decoded()) return;
    if (trailers === undefined) {
      this.fault(stream, Http2ErrorCode.ProtocolError, this.heads.detail);
      return;
    }
    if (stream.expectedBytes > 0) {
      this.fault(stream, Http2ErrorCode.ProtocolError, 'content-length-mismatch');
      return;
    }
    stream.trailers = trailers;
    stream.sharedTrailers = shared;
    stream.sink.onTrailers(trailers);
    if (!stream.closed) this.endRemote(stream);
  }

  /** The block read last was HPACK; false when the connection has ended by it. */
  private decoded(): boolean {
    if (this.heads.compressionFault !== '') {
      this.die(Http2ErrorCode.CompressionError, this.heads.compressionFault);
      return false;
    }
    return !this.heads.resized || this.count(Flood.TableSize);
  }

  private skipBlock(block: Buffer, start: number, end: number): boolean {
    this.heads.skip(block, start, end);
    return this.decoded();
  }

  /** A request head that is no request: answered where there is an answer, else reset (RFC 9113 §8.1.1). */
  private refuseHead(id: number, detail: string): void {
    const code = requestHeadRefusal(detail);
    this.sink.onRefusedHead(code, detail);
    if (this.dead) return;
    if (code === 'malformed-request') {
      this.refuse(id, Http2ErrorCode.ProtocolError);
      return;
    }
    const output = this.sender.output;
    const at = beginHeaders(output, id, true);
    this.writer.begin(output);
    this.writer.writeStatus(output, terminations[code].httpStatus);
    endHeaders(output, at, id);
    this.refuse(id, Http2ErrorCode.NoError);
    if (code === 'head-too-large' && !this.dead) this.count(Flood.LargeHead, this.heads.excess);
  }

  /** Resets a stream that never came to be. */
  private refuse(id: number, errorCode: number): void {
    writeRstStream(this.sender.output, id, errorCode);
    this.sender.signal();
    this.count(Flood.Reset);
  }

  /** A stream error of the peer (RFC 9113 §5.4.2). Counted: making us reset is an attack like resetting (H2-2). */
  fault(stream: Http2Stream, errorCode: number, detail: string): void {
    const sink = stream.sink;
    const begun = stream.headSeen;
    this.resetStream(stream, errorCode);
    if (this.server) sink.onTermination('malformed-request-body', detail);
    else sink.onTermination(begun ? 'malformed-response-body' : 'malformed-response', detail);
    this.count(Flood.Reset);
  }

  private endRemote(stream: Http2Stream): void {
    if (stream.expectedBytes > 0) {
      this.fault(stream, Http2ErrorCode.ProtocolError, 'content-length-mismatch');
      return;
    }
    if (!this.server && !stream.headSeen) {
      this.fault(stream, Http2ErrorCode.ProtocolError, 'no-head');
      return;
    }
    this.credit.end(stream);
    stream.remoteEnded = true;
    // Before the sink hears of it: what it opens next may then take the place.
    if (stream.localEnded) this.close(stream, Closing.Ended);
    stream.sink.onEnd();
  }

  private close(stream: Http2Stream, closing: Closing): void {
    stream.closed = true;
    this.table.remove(stream, closing);
    this.sender.forget(stream);
    this.credit.forget(stream);
    if (closing === Closing.Ended) this.guard.creditStream();
    if (!this.dead) this.sink.onStreamClosed();
  }

  private admitData(stream: Http2Stream, payloadBytes: number, dataBytes: number): boolean {
    if (stream.remoteEnded) this.fault(stream, Http2ErrorCode.StreamClosed, 'data-after-end');
    else if (!this.server && !stream.headSeen) this.fault(stream, Http2ErrorCode.ProtocolError, 'data-before-head');
    else {
      stream.receiveWindow -= payloadBytes;
      // A window that was made negative still lets an empty frame through (RFC 9113 §6.9.1).
      if (stream.receiveWindow < 0 && payloadBytes > 0)
        this.fault(stream, Http2ErrorCode.FlowControlError, 'stream-window-exceeded');
      else if (stream.expectedBytes >= 0 && dataBytes > stream.expectedBytes) {
        this.fault(stream, Http2ErrorCode.ProtocolError, 'content-length-mismatch');
      } else {
        if (stream.expectedBytes > 0) stream.expectedBytes -= dataBytes;
        return true;
      }
    }
    return false;
  }

  private onStrayData(id: number): void {
    if (!this.wasOpen(id))
      this.die(Http2ErrorCode.ProtocolError, id === 0 ? 'data-on-stream-0' : 'data-on-idle-stream');
    else if (this.endedByPeer(id)) this.die(Http2ErrorCode.StreamClosed, 'data-on-closed-stream');
    else this.count(Flood.Late);
  }

  private onStrayBlock(id: number, block: Buffer, start: number, end: number): void {
    if (!this.skipBlock(block, start, end)) return;
    if (this.endedByPeer(id)) this.die(Http2ErrorCode.StreamClosed, 'headers-on-closed-stream');
    else this.count(Flood.Late);
  }

  /** The peer closed the stream by itself, so it knows better than to send more (RFC 9113 §5.1). */
  private endedByPeer(id: number): boolean {
    const closing = this.table.closing(id);
    return closing === Closing.Ended || closing === Closing.ResetByPeer;
  }

  /** The stream is not idle (RFC 9113 §5.1): its id has been used or passed over. */
  wasOpen(id: number): boolean {
    return id > 0 && (id & 1) === 1 && id <= this.lastId;
  }

  private onRstStream(id: number, payload: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      this.die(Http2ErrorCode.FrameSizeError, 'bad-rst-stream-size');
      return;
    }
    if (!this.wasOpen(id)) {
      this.die(Http2ErrorCode.ProtocolError, 'reset-of-idle-stream');
      return;
    }
    const stream = this.table.get(id);
    if (stream === undefined) {
      this.count(Flood.Late);
      return;
    }
    const errorCode = payload.readUInt32BE(start);
    const { sink } = stream;
    const whole = stream.remoteEnded;
    this.close(stream, Closing.ResetByPeer);
    if (this.server) {
      sink.onTermination('downstream-reset', `reset-${http2ErrorName(errorCode)}`);
      if (!this.dead) this.count(Flood.Reset);
    } else if (!whole) sink.onTermination(this.resetCode(stream, errorCode), `reset-${http2ErrorName(errorCode)}`);
    // A response that is whole stays so, whatever becomes of the rest of the request (RFC 9113 §8.1).
  }

  private resetCode(stream: Http2Stream, errorCode: number): TerminationCode {
    if (stream.headSeen) return 'upstream-cut';
    // RFC 9113 §7: who asks for HTTP/1.1 has not handled the request either.
    const unhandled = errorCode === Http2ErrorCode.RefusedStream || errorCode === Http2ErrorCode.Http11Required;
    return unhandled ? 'stream-refused' : 'upstream-reset';
  }

  /** RFC 9113 §6.8: what the peer has not begun may go elsewhere, whatever its method. */
  refuseAbove(last: number): void {
    for (const stream of this.table.all()) {
      if (stream.id <= last || stream.closed) continue;
      const { sink } = stream;
      this.close(stream, Closing.ResetByUs);
      sink.onTermination('stream-refused', 'goaway');
    }
  }

  announceStreamCredit(stream: Http2Stream): void {
    const bytes = this.credit.dueFor(stream);
    if (bytes === 0) return;
    writeWindowUpdate(this.sender.output, stream.id, bytes);
    this.sender.signal();
  }

  private announceCredit(): void {
    const bytes = this.credit.due();
    if (bytes === 0) return;
    writeWindowUpdate(this.sender.output, 0, bytes);
    this.sender.signal();
  }

  /** Counts an event against its budget; false when the connection has ended by it. */
  count(kind: Flood, events = 1): boolean {
    if (this.guard.take(kind, events)) return true;
    this.die(Http2ErrorCode.EnhanceYourCalm, this.guard.detail(kind));
    return false;
  }

  private die(errorCode: number, detail: string): void {
    if (this.dead) return;
    this.dead = true;
    this.frames.stop();
    this.block.drop();
    this.dataStream = null;
    writeGoaway(this.sender.output, this.server ? this.lastId : 0, errorCode, detail);
    this.sender.signal();
    this.terminateAll(detail);
    this.sink.onConnectionEnd(this.server ? 'malformed-request' : 'malformed-response', errorCode, detail);
  }

  private terminateAll(detail: string): void {
    for (const stream of this.table.all()) {
      const { sink, remoteEnded } = stream;
      this.close(stream, Closing.ResetByUs);
      if (this.server) sink.onTermination('downstream-reset', detail);
      else if (!remoteEnded) sink.onTermination(stream.headSeen ? 'upstream-cut' : 'upstream-reset', detail);
    }
  }
}
