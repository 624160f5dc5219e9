import { FieldId, fieldIdCount } from './field-id.ts';
import { FieldFlag } from './head.ts';

/** True by id: the field concerns one connection, or is written anew from checked facts; it is never copied. */
export const droppedFields: Uint8Array = compileFlags([
  FieldId.Host,
  FieldId.Connection,
  FieldId.ContentLength,
  FieldId.TransferEncoding,
  FieldId.Te,
  FieldId.Upgrade,
  FieldId.KeepAlive,
  FieldId.ProxyConnection,
  FieldId.ProxyAuthenticate,
  FieldId.ProxyAuthorization,
  FieldId.ProxyAuthenticationInfo,
  FieldId.Http2Settings,
  FieldId.Expect,
  FieldId.Lookalike,
]);

/**
 * The known fields that may stand in a trailer section. RFC 9110 §6.5.1 forbids there what frames, routes, modifies,
 * authenticates or describes the content; of the names we know only these are none of it. Unknown names pass.
 */
export const trailerFields: Uint8Array = compileFlags([
  FieldId.Unknown,
  FieldId.GrpcStatus,
  FieldId.GrpcMessage,
  FieldId.Etag,
  FieldId.Date,
  FieldId.Server,
]);

/** True for fields that no edit may set, add or remove: they carry framing, routing or trust. */
export function isProtectedField(id: number): boolean {
  return droppedFields[id] === FieldFlag.Drop || id === FieldId.WeftOwned || id === FieldId.Trailer;
}

function compileFlags(ids: readonly FieldId[]): Uint8Array {
  const flags = new Uint8Array(fieldIdCount);
  for (const id of ids) flags[id] = FieldFlag.Drop;
  return flags;
}
