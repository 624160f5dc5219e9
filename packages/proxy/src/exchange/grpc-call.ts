import { Buffer } from 'node:buffer';
import { FieldId, GrpcKind, MethodId, grpcKindOf, readGrpcTimeoutMs, writeGrpcTimeout } from '@weft/http';
import type { Head } from '@weft/http';
import { bridgeFor } from './grpc-web-bridge.ts';
import type { GrpcWebBridge } from './grpc-web-bridge.ts';
import { RequestSlot } from './head-slots.ts';

/** google.rpc.Code. */
export const GRPC_UNAVAILABLE = 14;
const GRPC_UNKNOWN = 2;

/** A caller's clock starts before ours and its news take their time: within this of its deadline it has run out. */
const DEADLINE_SLACK_MS = 5;

/** What an exchange keeps of its request as a gRPC call. Used for one request after the other. */
export class GrpcCall {
  /** `None` for all other requests. */
  kind: GrpcKind;
  /** Translates a gRPC-Web call; null for all others. */
  web: GrpcWebBridge | null;
  /** The caller's own deadline; `Infinity` without one. */
  deadlineMs: number;

  constructor() {
    this.kind = GrpcKind.None;
    this.web = null;
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  begin(head: Head): void {
    this.kind = head.methodId === MethodId.Post ? grpcKindOf(head) : GrpcKind.None;
    this.web = null;
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  /** Reads the deadline; with `translated` a gRPC-Web call is to reach its server as gRPC. */
  admit(head: Head, startMs: number, translated: boolean): void {
    const index = head.field(FieldId.GrpcTimeout);
    const timeoutMs = index < 0 ? -1 : readGrpcTimeoutMs(head.value(index));
    if (timeoutMs >= 0) this.deadlineMs = startMs + timeoutMs;
    if (translated && this.kind !== GrpcKind.Grpc) this.web = bridgeFor(head, this.kind);
  }

  /** What a server is told, anew for each try: the time that is left (`Infinity`: nothing), and how many tries were before. */
  writeSlots(head: Head, slots: (string | undefined)[], leftMs: number, triesBefore: number): void {
    slots[RequestSlot.GrpcTimeout] = leftMs === Number.POSITIVE_INFINITY ? undefined : writeGrpcTimeout(leftMs);
    if (triesBefore === 0) return;
    const received = Number(head.valueOf('grpc-previous-rpc-attempts') ?? 0);
    slots[RequestSlot.GrpcPreviousAttempts] = String((received > 0 ? Math.floor(received) : 0) + triesBefore);
  }

  /** Whether a caller that goes away now does so because its deadline is over. */
  isLate(nowMs: number): boolean {
    return nowMs >= this.deadlineMs - DEADLINE_SLACK_MS;
  }

  /** A copy of bytes that came before it was known that they are to be translated; undefined when they can't be. */
  translate(held: Buffer): Buffer | undefined {
    const bytes = this.web!.request(held, 0, held.length);
    return bytes === undefined ? undefined : Buffer.from(bytes);
  }
}

/** -1 without one; a malformed one is UNKNOWN, as gRPC clients take it. */
export function readGrpcStatus(head: Head): number {
  const index = head.field(FieldId.GrpcStatus);
  if (index < 0) return -1;
  const value = head.value(index);
  return /^[0-9]{1,9}$/.test(value) ? Number(value) : GRPC_UNKNOWN;
}
