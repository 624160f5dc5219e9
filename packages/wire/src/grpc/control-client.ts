/** The callers' edges: Sync streams for the machine in sync-client.ts, certificates, and what the CLI asks. */
import type { PeerCertificate, SecureContext } from 'node:tls';
import { type ChannelCredentials, Client, Metadata, type ServiceError, credentials } from '@grpc/grpc-js';
import { type Result, fail, ok, systemClock } from '@weft/kernel';
import type {
  CreateTokenRequest,
  CreateTokenResponse,
  GetConfigRequest,
  GetConfigResponse,
  ListObjectsRequest,
  MeshEvent,
  ObjectStatus,
  ProxyStatus,
  ResourceVersion,
  ServerInfo,
} from '../admin-message.ts';
import type { IssueRequest, IssueResponse } from '../identity-message.ts';
import type { SyncConnector, SyncStream } from '../sync-client.ts';
import { MAX_MESSAGE_BYTES } from '../sync-message.ts';
import {
  ADMIN_CREATE_TOKEN,
  ADMIN_GET_CONFIG,
  ADMIN_GET_SERVER,
  ADMIN_GET_VERSIONS,
  ADMIN_LIST_OBJECTS,
  ADMIN_LIST_PROXIES,
  ADMIN_WATCH_EVENTS,
  type CallFault,
  IDENTITY_ISSUE,
  MESH_SYNC,
  type Method,
  faultOf,
} from './method.ts';

/** TLS towards the control plane. */
export interface ClientTls {
  /** Roots, and the workload's leaf and key if it has them; TLS 1.3. */
  readonly context: SecureContext;
  /**
   * Judges the server's certificate after OpenSSL has verified its chain against the roots; an error ends the connection
   * before anything is sent.
   */
  readonly verifyServer: (certificate: PeerCertificate) => Error | undefined;
}

/** A call is given up after so long. */
const CALL_TIMEOUT_MS = 10_000;
/** Messages that wait for a server that doesn't read; then the stream is ended. Two Acks and a Report are usual. */
const MAX_UNSENT = 1024;

const GRPC_OPTIONS = {
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

/**
 * Opens Sync streams, each on a connection of its own. `tls` is asked for every stream, so that a rotated leaf is used by
 * the next. `address` is `host:port`; it is asked again as well.
 */
export function syncConnector(address: () => string, tls: () => ClientTls): SyncConnector {
  return {
    open(events): SyncStream {
      const client = new Client(address(), tlsCredentials(tls()), GRPC_OPTIONS);
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
    },
  };
}

/** Asks for a certificate once. */
export async function issueCertificate(
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

/** `Admin` over the control plane's UNIX socket. */
export class AdminClient {
  private readonly client: Client;

  /** Connects with the first call. */
  constructor(socketPath: string) {
    this.client = new Client(`unix:${socketPath}`, credentials.createInsecure(), GRPC_OPTIONS);
  }

  getServer(): Promise<Result<ServerInfo, CallFault>> {
    return ask(this.client, ADMIN_GET_SERVER, {});
  }

  listProxies(): Promise<Result<{ readonly proxies: readonly ProxyStatus[] }, CallFault>> {
    return ask(this.client, ADMIN_LIST_PROXIES, {});
  }

  getConfig(request: GetConfigRequest): Promise<Result<GetConfigResponse, CallFault>> {
    return ask(this.client, ADMIN_GET_CONFIG, request);
  }

  getVersions(proxy: string): Promise<Result<{ readonly resources: readonly ResourceVersion[] }, CallFault>> {
    return ask(this.client, ADMIN_GET_VERSIONS, { proxy });
  }

  listObjects(request: ListObjectsRequest): Promise<Result<{ readonly objects: readonly ObjectStatus[] }, CallFault>> {
    return ask(this.client, ADMIN_LIST_OBJECTS, request);
  }

  createToken(request: CreateTokenRequest): Promise<Result<CreateTokenResponse, CallFault>> {
    return ask(this.client, ADMIN_CREATE_TOKEN, request);
  }

  /** Hands events over until the server ends, the returned function is called, or something breaks. */
  watchEvents(
    noFollow: boolean,
    event: (event: MeshEvent) => void,
    ended: (fault: CallFault | null) => void,
  ): () => void {
    const method = ADMIN_WATCH_EVENTS;
    const call = this.client.makeServerStreamRequest(
      method.path,
      (request: { readonly noFollow: boolean }) => method.request.encode(request),
      (bytes) => method.response.decode(bytes),
      { noFollow },
    );
    let open = true;
    const end = (fault: CallFault | null): void => {
      if (!open) return;
      open = false;
      ended(fault);
    };
    call.on('data', (decoded: Result<MeshEvent, { readonly message: string }>) => {
      if (open && decoded.ok) event(decoded.value);
    });
    call.on('error', (error: ServiceError) => end(faultOf(error.code, error.details)));
    call.on('end', () => end(null));
    return () => {
      open = false;
      call.cancel();
    };
  }

  close(): void {
    this.client.close();
  }
}

function tlsCredentials(tls: ClientTls): ChannelCredentials {
  return credentials.createFromSecureContext(tls.context, {
    rejectUnauthorized: true,
    checkServerIdentity: (_host, certificate) => tls.verifyServer(certificate),
  });
}

function ask<Q, S>(client: Client, method: Method<Q, S>, request: Q): Promise<Result<S, CallFault>> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      method.path,
      (value: Q) => method.request.encode(value),
      (bytes) => method.response.decode(bytes),
      request,
      new Metadata(),
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
