/** Calls to a control plane as grpc-js makes them. Loaded by control-client.ts when the first is made. */
import { type ChannelCredentials, Client, Metadata, type ServiceError, credentials } from '@grpc/grpc-js';
import { type Result, fail, ok, systemClock } from '@weft/kernel';
import type { IssueRequest, IssueResponse } from '../identity-message.ts';
import type { SyncStream, SyncStreamEvents } from '../sync-handler.ts';
import { MAX_MESSAGE_BYTES } from '../sync-message.ts';
import type { ClientTls } from './client-tls.ts';
import { type CallFault, IDENTITY_ISSUE, MESH_SYNC, type Method, faultOf } from './method.ts';

/** A call is given up after so long. */
const CALL_TIMEOUT_MS = 10_000;
/** Messages that wait for a server that doesn't read; then the stream is ended. Two Acks and a Report are usual. */
const MAX_UNSENT = 1024;

/** Of every channel to a control plane. */
export const GRPC_OPTIONS = {
  // A proxy set for the application's sake would see, or swallow, the mesh's own control traffic.
  'grpc.enable_http_proxy': 0,
  // Half-dead is noticed after 3 s of silence and 3 s without an answer to a ping.
  'grpc.keepalive_time_ms': 3000,
  'grpc.keepalive_timeout_ms': 3000,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // Backoff is the machine's; a shared pool would add its own, and keep connections with old credentials.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  'grpc.enable_retries': 0,
  // Sent as SNI, which may not be an IP address; who the server is, `verifyServer` judges by its SPIFFE ID.
  'grpc.ssl_target_name_override': 'control.weft',
  'grpc.service_config_disable_resolution': 1,
};

/** Opens a Sync stream on a connection of its own. */
export function openSyncStream(address: string, tls: ClientTls, events: SyncStreamEvents): SyncStream {
  const client = new Client(address, tlsCredentials(tls), GRPC_OPTIONS);
  const call = client.makeBidiStreamRequest<Buffer, Buffer>(
    MESH_SYNC.path,
    MESH_SYNC.requestSerialize,
    MESH_SYNC.responseDeserialize,
    new Metadata(),
    {},
  );
  let open = true;
  const end = (): boolean => {
    if (!open) return false;
    open = false;
    call.cancel();
    client.close();
    return true;
  };
  const closed = (reason: string): void => {
    if (end()) events.closed(reason);
  };
  call.on('data', (bytes: Buffer) => {
    if (open) events.message(bytes);
  });
  call.on('error', (error: ServiceError) => closed(error.details || error.message));
  call.on('end', () => closed('ended by the server'));
  return {
    send(message) {
      if (!open) return;
      if (call.writableLength > MAX_UNSENT) closed('the server does not read');
      else call.write(message);
    },
    close() {
      end();
    },
  };
}

/** Asks for a certificate once. */
export async function askCertificate(
  address: string,
  tls: ClientTls,
  request: IssueRequest,
): Promise<Result<IssueResponse, CallFault>> {
  const client = new Client(address, tlsCredentials(tls), GRPC_OPTIONS);
  try {
    return await ask(client, IDENTITY_ISSUE, request);
  } finally {
    client.close();
  }
}

/** Makes a unary call. */
export function ask<Q, S>(
  client: Client,
  method: Method<Q, S>,
  request: Q,
  metadata: Metadata = new Metadata(),
): Promise<Result<S, CallFault>> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      method.path,
      (value: Q) => method.request.encode(value),
      (bytes) => method.response.decode(bytes),
      request,
      metadata,
      { deadline: new Date(systemClock.wallMs() + CALL_TIMEOUT_MS) },
      (error, decoded) => {
        if (error !== null) resolve(fail(faultOf(error.code, error.details)));
        else if (decoded === undefined) resolve(fail({ code: 'Internal', message: 'an empty answer' }));
        else if (decoded.ok) resolve(ok(decoded.value));
        else resolve(fail({ code: 'Internal', message: `unreadable answer: ${decoded.error.message}` }));
      },
    );
  });
}

/** Hands over what the server says until it ends, the returned function is called, or something breaks. */
export function follow<Q, S>(
  client: Client,
  method: Method<Q, S>,
  asked: Q,
  event: (event: S) => void,
  ended: (fault: CallFault | null) => void,
  metadata: Metadata = new Metadata(),
): () => void {
  const call = client.makeServerStreamRequest(
    method.path,
    (request: Q) => method.request.encode(request),
    (bytes) => method.response.decode(bytes),
    asked,
    metadata,
  );
  let open = true;
  const end = (fault: CallFault | null): void => {
    if (!open) return;
    open = false;
    ended(fault);
  };
  call.on('data', (decoded: Result<S, { readonly message: string }>) => {
    if (open && decoded.ok) event(decoded.value);
  });
  call.on('error', (error: ServiceError) => end(faultOf(error.code, error.details)));
  call.on('end', () => end(null));
  return () => {
    open = false;
    call.cancel();
  };
}

export function tlsCredentials(tls: ClientTls): ChannelCredentials {
  return credentials.createFromSecureContext(tls.context, {
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => tls.verifyServer(certificate),
  });
}
