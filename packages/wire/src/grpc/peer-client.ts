import { Client } from '@grpc/grpc-js';
import type { Result } from '@weft/kernel';
import type { PeerWhyRequest, PeerWhyResponse, TellRequest, TellResponse } from '../peer-message.ts';
import type { ClientTls } from './client-tls.ts';
import { GRPC_OPTIONS, ask, tlsCredentials } from './grpc-calls.ts';
import { type CallFault, PEERS_TELL, PEERS_WHY } from './method.ts';

/** Another replica of the control plane. One connection, made with the first call and again when it breaks. */
export class PeerClient {
  private readonly client: Client;

  /** `address` is `host:port`; `tls` shows the control plane's own certificate and takes no other for an answer. */
  constructor(address: string, tls: ClientTls) {
    this.client = new Client(address, tlsCredentials(tls), GRPC_OPTIONS);
  }

  tell(request: TellRequest): Promise<Result<TellResponse, CallFault>> {
    return ask(this.client, PEERS_TELL, request);
  }

  why(request: PeerWhyRequest): Promise<Result<PeerWhyResponse, CallFault>> {
    return ask(this.client, PEERS_WHY, request);
  }

  close(): void {
    this.client.close();
  }
}
