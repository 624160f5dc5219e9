/** Error codes of RST_STREAM and GOAWAY (RFC 9113 §7). */
export const Http2ErrorCode = {
  NoError: 0,
  ProtocolError: 1,
  InternalError: 2,
  FlowControlError: 3,
  SettingsTimeout: 4,
  StreamClosed: 5,
  FrameSizeError: 6,
  RefusedStream: 7,
  Cancel: 8,
  CompressionError: 9,
  ConnectError: 10,
  EnhanceYourCalm: 11,
  InadequateSecurity: 12,
  Http11Required: 13,
} as const;
export type Http2ErrorCode = (typeof Http2ErrorCode)[keyof typeof Http2ErrorCode];

const names = [
  'no-error',
  'protocol-error',
  'internal-error',
  'flow-control-error',
  'settings-timeout',
  'stream-closed',
  'frame-size-error',
  'refused-stream',
  'cancel',
  'compression-error',
  'connect-error',
  'enhance-your-calm',
  'inadequate-security',
  'http-1-1-required',
];

/** A stable token for logs and metrics; every code without a name is `unknown` (RFC 9113 §7 lets anyone send one). */
export function http2ErrorName(code: number): string {
  return names[code] ?? 'unknown';
}
