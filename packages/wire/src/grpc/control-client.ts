/**
 * A proxy's way to its control plane. grpc-js is the largest library a proxy has, and one that starts from its stored state
 * serves before it has loaded it: it comes with the first call.
 */
import type { Result } from '@weft/kernel';
import type { IssueRequest, IssueResponse } from '../identity-message.ts';
import type { SyncConnector, SyncStream, SyncStreamEvents } from '../sync-handler.ts';
import type { ClientTls } from './client-tls.ts';
import type { CallFault } from './method.ts';

/**
 * Opens Sync streams, each on a connection of its own. `tls` is asked for every stream, so that a rotated leaf is used by
 * the next. `address` is `host:port`; it is asked again as well.
 */
export function syncConnector(address: () => string, tls: () => ClientTls): SyncConnector {
  return { open: (events) => new LoadingStream(address, tls, events) };
}

/** Asks for a certificate once. */
export async function issueCertificate(
  address: string,
  tls: ClientTls,
  request: IssueRequest,
): Promise<Result<IssueResponse, CallFault>> {
  const { askCertificate } = await import('./grpc-calls.ts');
  return askCertificate(address, tls, request);
}

/** A stream that takes messages while what carries them is loaded. */
class LoadingStream implements SyncStream {
  private readonly events: SyncStreamEvents;
  private readonly early: Buffer[];
  private stream: SyncStream | null;
  private closed: boolean;

  constructor(address: () => string, tls: () => ClientTls, events: SyncStreamEvents) {
    this.events = events;
    this.early = [];
    this.stream = null;
    this.closed = false;
    this.load(address, tls).catch((error: unknown) => {
      if (!this.closed) events.closed(error instanceof Error ? error.message : String(error));
    });
  }

  send(message: Buffer): void {
    if (this.stream === null) this.early.push(message);
    else this.stream.send(message);
  }

  close(): void {
    this.closed = true;
    this.stream?.close();
  }

  private async load(address: () => string, tls: () => ClientTls): Promise<void> {
    const { openSyncStream } = await import('./grpc-calls.ts');
    if (this.closed) return;
    this.stream = openSyncStream(address(), tls(), this.events);
    for (const message of this.early.splice(0)) this.stream.send(message);
  }
}
