import { lowerCase } from '../byte-class.ts';
import { FieldId } from '../field-id.ts';
import type { Head } from '../head.ts';

/** What the content type of a message says of gRPC. */
export const GrpcKind = { None: 0, Grpc: 1, Web: 2, WebText: 3 } as const;
export type GrpcKind = (typeof GrpcKind)[keyof typeof GrpcKind];

const GRPC = 'application/grpc';
const WEB = 'application/grpc-web';
const WEB_TEXT = 'application/grpc-web-text';

const SEMICOLON = 0x3b;
const PLUS = 0x2b;
const SPACE = 0x20;

/**
 * The kind of a head by its first `content-type`: `application/grpc`, `application/grpc-web` or
 * `application/grpc-web-text`, each alone, with a `+` suffix or with parameters (gRPC over HTTP/2; PROTOCOL-WEB). Reads
 * bytes, makes no text.
 */
export function grpcKindOf(head: Head): GrpcKind {
  const index = head.field(FieldId.ContentType);
  if (index < 0) return GrpcKind.None;
  const start = head.spans[index * 4 + 2]!;
  const end = head.spans[index * 4 + 3]!;
  if (end - start < GRPC.length || !beginsWith(head, start, end, GRPC)) return GrpcKind.None;
  if (endsName(head, start + GRPC.length, end)) return GrpcKind.Grpc;
  if (!beginsWith(head, start, end, WEB)) return GrpcKind.None;
  if (endsName(head, start + WEB.length, end)) return GrpcKind.Web;
  return beginsWith(head, start, end, WEB_TEXT) && endsName(head, start + WEB_TEXT.length, end)
    ? GrpcKind.WebText
    : GrpcKind.None;
}

/** The same for a content type as text; '' is none. */
export function grpcKindOfType(contentType: string): GrpcKind {
  const match = /^application\/grpc(-web(?:-text)?)?(?=$|[+; \t])/i.exec(contentType);
  if (match === null) return GrpcKind.None;
  if (match[1] === undefined) return GrpcKind.Grpc;
  return match[1].length > '-web'.length ? GrpcKind.WebText : GrpcKind.Web;
}

/** The content type of a kind with the suffix (`+proto`) that another one has; parameters are left behind. */
export function grpcContentType(kind: GrpcKind, like: string): string {
  const suffix = /^application\/grpc(?:-web(?:-text)?)?(\+[!#$%&'*.^_`|~0-9A-Za-z-]+)/i.exec(like)?.[1] ?? '';
  const name = kind === GrpcKind.WebText ? WEB_TEXT : kind === GrpcKind.Web ? WEB : GRPC;
  return name + suffix;
}

function beginsWith(head: Head, start: number, end: number, text: string): boolean {
  if (end - start < text.length) return false;
  const { bytes } = head;
  for (let at = 0; at < text.length; at += 1) {
    if (lowerCase[bytes[start + at]!] !== text.charCodeAt(at)) return false;
  }
  return true;
}

function endsName(head: Head, at: number, end: number): boolean {
  if (at >= end) return true;
  const byte = head.bytes[at]!;
  return byte === PLUS || byte === SEMICOLON || byte <= SPACE;
}
