import { Buffer } from 'node:buffer';
import { FieldId } from '../field-id.ts';
import { Http2ErrorCode, http2ErrorName } from './error-code.ts';
import { Flood } from './flood-guard.ts';
import type { FloodGuard } from './flood-guard.ts';
import { FrameFlag, MAX_WINDOW_BYTES } from './frame/frame-type.ts';
import { writePing, writeSettingsAck } from './frame/frame-writer.ts';
import { readDependency } from './frame/header-block.ts';
import type { HeadReader } from './head-reader.ts';
import type { HpackEncoder } from './hpack/encoder.ts';
import { readPriority } from './priority.ts';
import type { ReceiveCredit } from './receive-credit.ts';
import type { Sender } from './sender.ts';
import { PeerSettings } from './settings.ts';
import type { StreamTable } from './stream/stream-table.ts';
import type { Http2Stream } from './stream/stream.ts';

/** What control frames ask of their connection, and tell it. */
export interface ControlOwner {
  readonly dead: boolean;
  /** A connection error (RFC 9113 §5.4.1). */
  abort(errorCode: number, detail: string): void;
  /** A stream error (RFC 9113 §5.4.2). */
  fault(stream: Http2Stream, errorCode: number, detail: string): void;
  /** Counts an event against its budget; false when the connection has ended by it. */
  count(kind: Flood): boolean;
  /** The stream is not idle. */
  wasOpen(id: number): boolean;
  /** Streams above this id go elsewhere. */
  refuseAbove(last: number): void;
  finishDrain(): void;
  announceStreamCredit(stream: Http2Stream): void;
  onSettingsTaken(): void;
  onPong(): void;
  onPeerGoaway(errorCode: number, detail: string): void;
}

/** The parts of a connection that control frames act upon. */
export interface ControlledParts {
  readonly server: boolean;
  readonly sender: Sender;
  readonly table: StreamTable;
  readonly guard: FloodGuard;
  readonly credit: ReceiveCredit;
  readonly encoder: HpackEncoder;
  readonly heads: HeadReader;
}

/** Answers to PING and SETTINGS that nobody reads (CVE-2019-9512, CVE-2019-9515). */
const UNREAD_REPLIES = 1000;

/** Payloads of our own PINGs, by what their answers mean. */
export const GROWTH_PING = Buffer.from('weft-bdp', 'latin1');
export const ALIVE_PING = Buffer.from('weft-png', 'latin1');
export const DRAIN_PING = Buffer.from('weft-bye', 'latin1');

/**
 * SETTINGS, PING, GOAWAY, WINDOW_UPDATE and the frames of priorities (RFC 9113 §6, RFC 9218 §7): what the peer says of the
 * connection rather than of a message.
 */
export class ControlFrames {
  readonly peer: PeerSettings;
  settingsSeen: boolean;
  settingsAcked: boolean;
  goawaySeen: boolean;
  private readonly owner: ControlOwner;
  private readonly server: boolean;
  private readonly sender: Sender;
  private readonly table: StreamTable;
  private readonly guard: FloodGuard;
  private readonly credit: ReceiveCredit;
  private readonly encoder: HpackEncoder;
  private readonly heads: HeadReader;
  private peerGoawayId: number;
  private replies: number;
  /** Our PINGs without an answer. */
  private pingsOut: number;
  private creditedFrames: number;

  constructor(owner: ControlOwner, parts: ControlledParts) {
    this.peer = new PeerSettings();
    this.settingsSeen = false;
    this.settingsAcked = false;
    this.goawaySeen = false;
    this.owner = owner;
    this.server = parts.server;
    this.sender = parts.sender;
    this.table = parts.table;
    this.guard = parts.guard;
    this.credit = parts.credit;
    this.encoder = parts.encoder;
    this.heads = parts.heads;
    this.peerGoawayId = 2 ** 31 - 1;
    this.replies = 0;
    this.pingsOut = 0;
    this.creditedFrames = 0;
  }

  /** The peer was sent all there was: what it had not read is read or on its way. */
  written(): void {
    this.replies = 0;
  }

  onWindowUpdate(id: number, payload: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      this.owner.abort(Http2ErrorCode.FrameSizeError, 'bad-window-update-size');
      return;
    }
    this.creditSent();
    if (!this.owner.count(Flood.WindowUpdate)) return;
    const bytes = payload.readUInt32BE(start) & 0x7fffffff;
    if (id === 0) {
      if (bytes === 0) this.owner.abort(Http2ErrorCode.ProtocolError, 'window-update-0');
      else if (this.sender.window + bytes > MAX_WINDOW_BYTES) {
        this.owner.abort(Http2ErrorCode.FlowControlError, 'connection-window-overflow');
      } else {
        this.sender.window += bytes;
        this.sender.pump();
      }
      return;
    }
    const stream = this.table.get(id);
    if (stream === undefined) {
      // RFC 9113 §5.1: they may come for a while after the end.
      if (!this.owner.wasOpen(id)) this.owner.abort(Http2ErrorCode.ProtocolError, 'window-update-on-idle-stream');
      return;
    }
    if (bytes === 0) this.owner.fault(stream, Http2ErrorCode.ProtocolError, 'window-update-0');
    else if (stream.sendWindow + bytes > MAX_WINDOW_BYTES) {
      this.owner.fault(stream, Http2ErrorCode.FlowControlError, 'stream-window-overflow');
    } else {
      stream.sendWindow += bytes;
      this.sender.resume(stream);
    }
  }

  onSettings(flags: number, id: number, payload: Buffer, start: number, end: number): void {
    if (id !== 0) this.owner.abort(Http2ErrorCode.ProtocolError, 'settings-on-stream');
    else if ((flags & FrameFlag.Ack) !== 0) {
      if (end > start) this.owner.abort(Http2ErrorCode.FrameSizeError, 'settings-ack-with-payload');
      else this.acknowledged();
    } else if ((end - start) % 6 !== 0) this.owner.abort(Http2ErrorCode.FrameSizeError, 'bad-settings-size');
    else if (this.owner.count(Flood.Settings)) this.takeSettings(payload, start, end);
  }

  private takeSettings(payload: Buffer, start: number, end: number): void {
    const { peer } = this;
    const window = peer.initialWindowBytes;
    if (!peer.read(payload, start, end, !this.server)) {
      this.owner.abort(peer.errorCode, peer.detail);
      return;
    }
    this.encoder.setPeerLimit(peer.headerTableBytes);
    const change = peer.initialWindowBytes - window;
    const streams = change === 0 ? [] : this.table.all();
    for (const stream of streams) {
      // RFC 9113 §6.9.2: down below zero, but never above the largest window.
      if (stream.sendWindow + change > MAX_WINDOW_BYTES) {
        this.owner.abort(Http2ErrorCode.FlowControlError, 'stream-window-overflow');
        return;
      }
      stream.sendWindow += change;
    }
    this.settingsSeen = true;
    // Before the data that the new windows let out: what stands behind the ACK obeys what it acknowledges.
    writeSettingsAck(this.sender.output);
    this.reply();
    if (change > 0) for (const stream of streams) this.sender.resume(stream);
    if (!this.owner.dead) this.owner.onSettingsTaken();
  }

  /** The peer has taken our settings (RFC 9113 §6.5.3): what is stricter than the initial values holds from here. */
  private acknowledged(): void {
    // One SETTINGS frame is sent, so a second ACK acknowledges nothing.
    if (this.settingsAcked) {
      this.owner.count(Flood.Settings);
      return;
    }
    this.settingsAcked = true;
    this.heads.settingsAcked();
    const streams = this.table.all();
    if (!this.credit.acknowledge(streams)) return;
    for (const stream of streams) {
      // What was too little to announce of the larger window may be more than the smaller one: nothing else would say it.
      if (!stream.remoteEnded) this.owner.announceStreamCredit(stream);
    }
  }

  onPing(flags: number, id: number, payload: Buffer, start: number, end: number): void {
    if (id !== 0) this.owner.abort(Http2ErrorCode.ProtocolError, 'ping-on-stream');
    else if (end - start !== 8) this.owner.abort(Http2ErrorCode.FrameSizeError, 'bad-ping-size');
    else if ((flags & FrameFlag.Ack) === 0) {
      if (!this.countPing()) return;
      writePing(this.sender.output, true, payload, start);
      this.reply();
    } else if (this.pingsOut === 0) this.countPing();
    else this.onPingAck(payload, start);
  }

  /** What we asked for is never held against the peer. */
  private onPingAck(payload: Buffer, start: number): void {
    this.pingsOut -= 1;
    if (isPing(payload, start, GROWTH_PING)) {
      if (this.credit.growth.onAck(this.sender.nowMs)) this.credit.grow();
    } else if (isPing(payload, start, DRAIN_PING)) this.owner.finishDrain();
    else if (isPing(payload, start, ALIVE_PING)) this.owner.onPong();
  }

  onGoaway(id: number, payload: Buffer, start: number, end: number): void {
    if (id !== 0) this.owner.abort(Http2ErrorCode.ProtocolError, 'goaway-on-stream');
    else if (end - start < 8) this.owner.abort(Http2ErrorCode.FrameSizeError, 'bad-goaway-size');
    else if (!this.owner.count(Flood.Settings)) return;
    else {
      const last = payload.readUInt32BE(start) & 0x7fffffff;
      const errorCode = payload.readUInt32BE(start + 4);
      if (!this.server && last > this.peerGoawayId) {
        this.owner.abort(Http2ErrorCode.ProtocolError, 'goaway-id-rises');
        return;
      }
      this.goawaySeen = true;
      this.peerGoawayId = last;
      if (!this.server) this.owner.refuseAbove(last);
      if (!this.owner.dead) this.owner.onPeerGoaway(errorCode, `goaway-${http2ErrorName(errorCode)}`);
    }
  }

  /** RFC 9113 §5.3.2: of no effect; still checked, since a wrong one is an error and a stream of them an attack. */
  onPriority(id: number, payload: Buffer, start: number, end: number): void {
    if (id === 0) this.owner.abort(Http2ErrorCode.ProtocolError, 'priority-on-stream-0');
    else if (this.owner.count(Flood.Priority)) {
      const stream = this.table.get(id);
      const size = end - start === 5;
      if (size && readDependency(payload, start) !== id) return;
      const errorCode = size ? Http2ErrorCode.ProtocolError : Http2ErrorCode.FrameSizeError;
      const detail = size ? 'depends-on-itself' : 'bad-priority-size';
      // What is not open cannot be reset.
      if (stream !== undefined) this.owner.fault(stream, errorCode, detail);
      else if (!size || !this.owner.wasOpen(id)) this.owner.abort(errorCode, detail);
    }
  }

  /** RFC 9218 §7.1. */
  onPriorityUpdate(id: number, payload: Buffer, start: number, end: number): void {
    if (!this.server || id !== 0) this.owner.abort(Http2ErrorCode.ProtocolError, 'misplaced-priority-update');
    else if (end - start < 4) this.owner.abort(Http2ErrorCode.FrameSizeError, 'bad-priority-update-size');
    else if (this.owner.count(Flood.Priority)) {
      const target = payload.readUInt32BE(start) & 0x7fffffff;
      const stream = this.table.get(target);
      if (target === 0 || (target & 1) === 0) this.owner.abort(Http2ErrorCode.ProtocolError, 'bad-priority-update');
      else if (stream !== undefined && end - start <= 256) {
        readPriority(stream, payload.toString('latin1', start + 4, end), FieldId.Priority);
      }
    }
  }

  sendPing(payload: Buffer): void {
    this.pingsOut += 1;
    writePing(this.sender.output, false, payload, 0);
    this.sender.signal();
  }

  private countPing(): boolean {
    this.creditSent();
    return this.owner.count(Flood.Ping);
  }

  /** What we sent since earns the peer the frames it answers with. */
  private creditSent(): void {
    this.guard.creditData(this.sender.worthyFrames - this.creditedFrames);
    this.creditedFrames = this.sender.worthyFrames;
  }

  private reply(): void {
    this.replies += 1;
    if (this.replies > UNREAD_REPLIES) this.owner.abort(Http2ErrorCode.EnhanceYourCalm, 'flood-unread-replies');
    else this.sender.signal();
  }
}

function isPing(payload: Buffer, at: number, ping: Buffer): boolean {
  return payload.compare(ping, 0, 8, at, at + 8) === 0;
}
