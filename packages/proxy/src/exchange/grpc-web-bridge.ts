import { Buffer } from 'node:buffer';
import {
  Base64StreamDecoder,
  FieldId,
  Framing,
  GrpcKind,
  GrpcWebTextEncoder,
  grpcContentType,
  grpcKindOf,
  grpcWebTrailerFrame,
} from '@weft/http';
import type { Head, RequestFacts, ResponseFacts } from '@weft/http';
import { RequestSlot } from './head-slots.ts';

const NOTHING = Buffer.alloc(0);

/**
 * One gRPC-Web call on its way to a gRPC server and back (PROTOCOL-WEB): the content type is changed, base64 is read and
 * written where the caller speaks text, and trailers come as the last frame of the body. Messages pass as they are.
 */
export class GrpcWebBridge {
  private readonly decoder: Base64StreamDecoder | null;
  private readonly responseKind: GrpcKind;
  /** The response is gRPC, so it is translated; anything else passes as it is. */
  translating: boolean;
  private encoder: GrpcWebTextEncoder | null;
  /** The response has no body: its status stands in its head. */
  private trailersOnly: boolean;

  constructor(requestKind: GrpcKind, responseKind: GrpcKind) {
    this.decoder = requestKind === GrpcKind.WebText ? new Base64StreamDecoder() : null;
    this.responseKind = responseKind;
    this.translating = false;
    this.encoder = null;
    this.trailersOnly = false;
  }

  /** Changes what is sent of the request's head. */
  prepare(head: Head, facts: RequestFacts, slots: (string | undefined)[]): void {
    slots[RequestSlot.ContentType] = grpcContentType(GrpcKind.Grpc, head.value(head.field(FieldId.ContentType)));
    // Without it a gRPC server may take the caller for one that loses trailers, and refuse.
    head.acceptsTrailers = true;
    if (this.decoder === null || facts.framing === Framing.None) return;
    facts.framing = Framing.Chunked;
    facts.contentLength = -1;
  }

  /** Bytes for the server, valid until the next call; undefined when they are no base64. */
  request(chunk: Buffer, start: number, end: number): Buffer | undefined {
    return this.decoder === null ? chunk.subarray(start, end) : this.decoder.feed(chunk, start, end);
  }

  /** False when the request's text ends inside a group. */
  get requestWhole(): boolean {
    return this.decoder === null || this.decoder.whole;
  }

  /** The content type for the caller; undefined when the response is not gRPC and passes as it is. */
  open(head: Head, facts: ResponseFacts): string | undefined {
    if (grpcKindOf(head) !== GrpcKind.Grpc) return undefined;
    this.translating = true;
    const contentType = grpcContentType(this.responseKind, head.value(head.field(FieldId.ContentType)));
    this.trailersOnly = facts.framing === Framing.None || head.field(FieldId.GrpcStatus) >= 0;
    if (this.trailersOnly) return contentType;
    if (this.responseKind === GrpcKind.WebText) this.encoder = new GrpcWebTextEncoder();
    facts.contentLength = -1;
    facts.close = facts.clientMinorVersion === 0;
    facts.framing = facts.clientMinorVersion === 0 ? Framing.UntilClose : Framing.Chunked;
    return contentType;
  }

  /** Bytes for the caller, valid until the next call. */
  response(chunk: Buffer, start: number, end: number): Buffer {
    return this.encoder === null ? chunk.subarray(start, end) : this.encoder.encode(chunk, start, end);
  }

  /** What stands at the end of the body. */
  end(trailers: Head | null): Buffer {
    if (this.trailersOnly) return NOTHING;
    const frame = grpcWebTrailerFrame(trailers);
    if (this.encoder === null) return frame;
    return Buffer.concat([this.encoder.finish(), this.encoder.encode(frame, 0, frame.length)]);
  }
}

/** A bridge for a call of `kind`; its answer is of the kind that `Accept` asks for, else of the same. */
export function bridgeFor(head: Head, kind: GrpcKind): GrpcWebBridge {
  const index = head.field(FieldId.Accept);
  const accept = index < 0 ? '' : head.value(index).toLowerCase();
  if (accept.includes('application/grpc-web-text')) return new GrpcWebBridge(kind, GrpcKind.WebText);
  return new GrpcWebBridge(kind, accept.includes('application/grpc-web') ? GrpcKind.Web : kind);
}
