import type { Buffer } from 'node:buffer';
import { Http2ErrorCode } from './error-code.ts';
import { INITIAL_WINDOW_BYTES, MAX_FRAME_BYTES, MAX_WINDOW_BYTES, SettingId } from './frame/frame-type.ts';

/** More entries than there are settings are no settings. */
const MAX_ENTRIES = 32;

/** What the peer's SETTINGS say (RFC 9113 §6.5.2); at first the initial values. */
export class PeerSettings {
  headerTableBytes: number;
  concurrentStreams: number;
  initialWindowBytes: number;
  maxFrameBytes: number;
  maxHeadBytes: number;
  connectProtocol: boolean;
  /** Why they were refused, and with which code. */
  detail: string;
  errorCode: number;

  constructor() {
    this.headerTableBytes = 4096;
    this.concurrentStreams = Number.POSITIVE_INFINITY;
    this.initialWindowBytes = INITIAL_WINDOW_BYTES;
    this.maxFrameBytes = MAX_FRAME_BYTES;
    this.maxHeadBytes = Number.POSITIVE_INFINITY;
    this.connectProtocol = false;
    this.detail = '';
    this.errorCode = Http2ErrorCode.NoError;
  }

  /** Takes payload[start, end), a multiple of six bytes, in its order. False when it is refused. */
  read(payload: Buffer, start: number, end: number, fromServer: boolean): boolean {
    if (end - start > MAX_ENTRIES * 6) return this.refuse(Http2ErrorCode.EnhanceYourCalm, 'flood-settings-entries');
    for (let pos = start; pos < end; pos += 6) {
      const value = payload.readUInt32BE(pos + 2);
      if (!this.take(payload.readUInt16BE(pos), value, fromServer)) return false;
    }
    return true;
  }

  private take(id: number, value: number, fromServer: boolean): boolean {
    switch (id) {
      case SettingId.HeaderTableSize:
        this.headerTableBytes = value;
        return true;
      case SettingId.EnablePush:
        // A server must not send anything but 0 (RFC 9113 §6.5.2).
        return value === 0 || (value === 1 && !fromServer) || this.refuseValue();
      case SettingId.MaxConcurrentStreams:
        this.concurrentStreams = value;
        return true;
      case SettingId.InitialWindowSize:
        if (value > MAX_WINDOW_BYTES) {
          return this.refuse(Http2ErrorCode.FlowControlError, 'initial-window-too-large');
        }
        this.initialWindowBytes = value;
        return true;
      case SettingId.MaxFrameSize:
        if (value < MAX_FRAME_BYTES || value > 2 ** 24 - 1) return this.refuseValue();
        this.maxFrameBytes = value;
        return true;
      case SettingId.MaxHeaderListSize:
        this.maxHeadBytes = value;
        return true;
      case SettingId.EnableConnectProtocol:
        // RFC 8441 §3: once given it is not taken back.
        if (value > 1 || (value === 0 && this.connectProtocol)) return this.refuseValue();
        this.connectProtocol = value === 1;
        return true;
      case SettingId.NoRfc7540Priorities:
        return value <= 1 || this.refuseValue();
      default:
        // RFC 9113 §6.5.2: unknown ones are ignored.
        return true;
    }
  }

  private refuseValue(): boolean {
    return this.refuse(Http2ErrorCode.ProtocolError, 'bad-setting');
  }

  private refuse(errorCode: number, detail: string): boolean {
    this.errorCode = errorCode;
    this.detail = detail;
    return false;
  }
}
