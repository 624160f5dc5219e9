/** Frame types (RFC 9113 §6, RFC 9218 §7.1). */
export const FrameType = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  RstStream: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  Goaway: 7,
  WindowUpdate: 8,
  Continuation: 9,
  PriorityUpdate: 16,
} as const;

/** Frame flags; which of them mean something depends on the type. */
export const FrameFlag = { EndStream: 1, Ack: 1, EndHeaders: 4, Padded: 8, Priority: 32 } as const;

/** RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1. */
export const SettingId = {
  HeaderTableSize: 1,
  EnablePush: 2,
  MaxConcurrentStreams: 3,
  InitialWindowSize: 4,
  MaxFrameSize: 5,
  MaxHeaderListSize: 6,
  EnableConnectProtocol: 8,
  NoRfc7540Priorities: 9,
} as const;

export const FRAME_HEADER_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE at its beginning; we never announce more, since a TLS record holds no more. */
export const MAX_FRAME_BYTES = 16_384;
/** Windows at their beginning (RFC 9113 §6.9.2). */
export const INITIAL_WINDOW_BYTES = 65_535;
/** RFC 9113 §6.9.1: no window may be larger. */
export const MAX_WINDOW_BYTES = 2 ** 31 - 1;
/** RFC 9113 §3.4: how every client begins. */
export const CLIENT_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
