import type { CorsRule } from '@weft/decision';
import { FieldId, GrpcKind } from '@weft/http';
import type { Head, LocalReply } from '@weft/http';
import type { ExchangeState } from './exchange-state.ts';
import { readGrpcStatus } from './grpc-call.ts';
import { fillResponseSlots } from './response-slots.ts';

const NO_FIELDS: LocalReply['fields'] = Object.freeze([]);

/** What is to be written into the head of a response that is gRPC, meant for pages of other origins, or a refusal by a sidecar. */
export function markResponse(exchange: ExchangeState, head: Head, cors: CorsRule | null): void {
  const { responseFacts, ingress, call } = exchange;
  if (call.kind !== GrpcKind.None && head.status === 200) exchange.grpcStatus = readGrpcStatus(head);
  const contentType = call.web === null ? undefined : call.web.open(head, responseFacts);
  // Callers outside the mesh are told the status only.
  const refused = ingress.kind === 'gateway' ? '' : exchange.peerRefused;
  if (contentType !== undefined || cors !== null || refused !== '') {
    responseFacts.slots = fillResponseSlots(exchange.head, contentType, cors, refused);
  }
}

/** Marks of a reply of our own for the page that asked. */
export function corsFields({ decision, head }: ExchangeState): LocalReply['fields'] {
  const { rule, choice } = decision;
  const cors = rule === undefined ? null : (choice?.cors ?? rule.cors);
  if (cors === null) return NO_FIELDS;
  const origin = head.field(FieldId.Origin);
  return cors.replyFields(origin < 0 ? '' : head.value(origin));
}
