import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type Result, fail, ok } from '@weft/kernel';
import { type ClusterAccess, type KubeFault, type PodPort, forwardPort } from '@weft/kube';

/** A place on this machine from which every connection is carried to a port of a pod. */
export class ForwardListener {
  /** Path of the socket; empty on a port. */
  readonly path: string;
  private readonly access: ClusterAccess;
  private readonly target: PodPort;
  private readonly server: Server;
  private readonly folder: string;
  private readonly sockets: Set<Socket>;
  /** Opened before anybody asked, so that a refusal is known at once. */
  private first: Duplex | null;

  private constructor(access: ClusterAccess, target: PodPort, first: Duplex, folder: string) {
    this.access = access;
    this.target = target;
    this.first = first;
    this.folder = folder;
    this.path = folder === '' ? '' : join(folder, 'admin');
    this.sockets = new Set();
    this.server = createServer((socket) => void this.carry(socket));
  }

  /** On a socket that only this user may open. */
  static async onSocket(access: ClusterAccess, target: PodPort): Promise<Result<ForwardListener, KubeFault>> {
    const first = await forwardPort(access, target);
    if (!first.ok) return first;
    const listener = new ForwardListener(access, target, first.value, mkdtempSync(join(tmpdir(), 'weft-')));
    await listener.listen({ path: listener.path });
    return ok(listener);
  }

  /** On a loopback port, 0 for a free one. Rejects when it is taken. */
  static async onPort(
    access: ClusterAccess,
    target: PodPort,
    port: number,
  ): Promise<Result<ForwardListener, KubeFault>> {
    const first = await forwardPort(access, target);
    if (!first.ok) return fail(first.error);
    const listener = new ForwardListener(access, target, first.value, '');
    try {
      await listener.listen({ host: '127.0.0.1', port });
    } catch (error) {
      first.value.destroy();
      throw error;
    }
    return ok(listener);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.first?.destroy();
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
    if (this.folder !== '') rmSync(this.folder, { recursive: true, force: true });
  }

  private listen(where: { readonly path: string } | { readonly host: string; readonly port: number }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(where, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
  }

  private async carry(socket: Socket): Promise<void> {
    this.sockets.add(socket);
    socket.on('error', () => undefined);
    let far: Duplex | null = this.first;
    this.first = null;
    socket.once('close', () => {
      this.sockets.delete(socket);
      far?.destroy();
    });
    if (far === null || far.destroyed) {
      const opened = await forwardPort(this.access, this.target);
      if (!opened.ok) {
        socket.destroy();
        return;
      }
      far = opened.value;
    }
    far.on('error', () => socket.destroy());
    far.once('close', () => socket.end());
    if (socket.destroyed) far.destroy();
    else socket.pipe(far).pipe(socket);
  }
}
