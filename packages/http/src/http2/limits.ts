/** Bounds of one HTTP/2 connection, and what it announces. Sizes in bytes, numbers at least 0. */
export interface Http2Limits {
  /** Names, values and 32 for each field of one head (SETTINGS_MAX_HEADER_LIST_SIZE, RFC 9113 §6.5.2). Exceeded: 431. */
  readonly headBytes: number;
  /** `:path`. Exceeded: 414. */
  readonly targetBytes: number;
  /** Fields of one head or trailer section, crumbs of cookies counted one by one. */
  readonly fieldCount: number;
  /** The same as `headBytes` for trailers. */
  readonly trailerBytes: number;
  /** Coded bytes of one header block over all its frames. Exceeded: the connection ends. */
  readonly blockBytes: number;
  /** CONTINUATION frames behind one HEADERS (CVE-2024-27316 and its kin). */
  readonly continuations: number;
  /** 1xx heads before a final one. */
  readonly informationalHeads: number;
  /** Streams the peer may have open (SETTINGS_MAX_CONCURRENT_STREAMS). */
  readonly concurrentStreams: number;
  /** Dynamic table for what is read (SETTINGS_HEADER_TABLE_SIZE). */
  readonly decoderTableBytes: number;
  /** Most memory for the dynamic table of what is written, whatever the peer allows. */
  readonly encoderTableBytes: number;
  /** Receive window of a stream at its beginning (SETTINGS_INITIAL_WINDOW_SIZE). */
  readonly streamWindowBytes: number;
  /** Receive window of the connection; at least 65,535. */
  readonly connectionWindowBytes: number;
  /** What the windows may grow to when the path is measured to need it; the connection's to four times as much. */
  readonly maxStreamWindowBytes: number;
  /**
   * Received and not yet granted over all streams. What comes beyond it counts against the connection's window until it is
   * granted; the windows of all streams together grow by as much.
   */
  readonly heldBytes: number;
  /** A stream with this much waiting to be sent says `blocked`. */
  readonly streamBufferBytes: number;
  /** All streams together: beyond it every stream with something waiting says `blocked`. */
  readonly connectionBufferBytes: number;
  /** Written in one turn. */
  readonly turnBytes: number;
  /** Resets, and frames that come late because of them, count this many times less as an attack; at least 1. */
  readonly resetPatience: number;
}

/** Windows of 256 KiB carry 2 Gbit/s over 1 ms; 100 streams is what RFC 9113 §6.5.2 recommends at least. */
export const http2Defaults: Http2Limits = Object.freeze({
  headBytes: 60 * 1024,
  targetBytes: 8 * 1024,
  fieldCount: 100,
  trailerBytes: 8 * 1024,
  blockBytes: 64 * 1024,
  continuations: 8,
  informationalHeads: 16,
  concurrentStreams: 100,
  decoderTableBytes: 4096,
  encoderTableBytes: 4096,
  streamWindowBytes: 256 * 1024,
  connectionWindowBytes: 1024 * 1024,
  maxStreamWindowBytes: 4 * 1024 * 1024,
  heldBytes: 4 * 1024 * 1024,
  streamBufferBytes: 64 * 1024,
  connectionBufferBytes: 4 * 1024 * 1024,
  turnBytes: 64 * 1024,
  resetPatience: 1,
});

/**
 * Between sidecars: what the first hop took and the fields it adds, and many callers on one connection. The window of a
 * stream stays the ordinary one, since it is what one slow reader makes us hold; it grows where the path needs more.
 */
export const http2MeshLimits: Http2Limits = Object.freeze({
  ...http2Defaults,
  headBytes: 72 * 1024,
  targetBytes: 9 * 1024,
  fieldCount: 132,
  trailerBytes: 10 * 1024,
  blockBytes: 80 * 1024,
  concurrentStreams: 1000,
  decoderTableBytes: 16 * 1024,
  encoderTableBytes: 16 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
  // Callers of callers leave by the hundred when something is slow; the peer has a name, and its resets cost us 1,000/s at most.
  resetPatience: 50,
  heldBytes: 16 * 1024 * 1024,
});
