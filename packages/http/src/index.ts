/** HTTP semantics, the HTTP/1.1 codec (RFC 9112) and the HTTP/2 codec (RFC 9113, RFC 7541): bytes to events and back, without I/O or clock. */
export { type Authority, authorityFault, readAuthority } from './authority.ts';
export { FieldId, fieldIdCount, fieldIdOf, fieldNames } from './field-id.ts';
export { isProtectedField } from './field-rule.ts';
export { Framing, TargetForm } from './framing.ts';
export { FieldFlag, Head } from './head.ts';
export { Base64StreamDecoder } from './grpc/base64-stream.ts';
export { GrpcKind, grpcContentType, grpcKindOf, grpcKindOfType } from './grpc/grpc-kind.ts';
export { encodeGrpcMessage } from './grpc/grpc-message.ts';
export { readGrpcTimeoutMs, writeGrpcTimeout } from './grpc/grpc-timeout.ts';
export { GrpcWebTextEncoder, grpcWebFrame, grpcWebTrailerFrame } from './grpc/grpc-web.ts';
export {
  compileHeadEdits,
  type HeadEditFault,
  type HeadEditRules,
  HeadEdits,
  type HeaderLine,
  type HeaderModifier,
  type HeadSlot,
  noEdits,
} from './head-edits.ts';
export { type LocalReply, type LocalReplyFacts, writeLocalReply } from './local-reply.ts';
export { isIdempotentMethod, isSafeMethod, MethodId, methodIdOf, methodName } from './method.ts';
export type { MessageSink } from './message-sink.ts';
export { reasonPhrase } from './reason.ts';
export { writeChunk, writeChunkEnd, writeChunkStart, writeLastChunk } from './http1/chunk-writer.ts';
export { http1Defaults, type Http1Limits, http1MeshLimits } from './http1/limits.ts';
export { RequestFacts, ResponseFacts } from './http1/message-facts.ts';
export { Http1RequestReader } from './http1/request-reader.ts';
export { Http1ResponseReader } from './http1/response-reader.ts';
export { writeRequestHead, writeResponseHead, writeTrailerFields } from './http1/writer.ts';
export { Http2Connection, type Http2ConnectionOptions, type Http2ConnectionSink } from './http2/connection.ts';
export { Http2ErrorCode, http2ErrorName } from './http2/error-code.ts';
export { CLIENT_PREFACE } from './http2/frame/frame-type.ts';
export { http2Defaults, type Http2Limits, http2MeshLimits } from './http2/limits.ts';
export { Http2Stream, type Http2StreamSink } from './http2/stream/stream.ts';
