import { existsSync, chmodSync, unlinkSync } from 'node:fs';
import { type AddressInfo, type Server as NetServer, type Socket, connect, createServer } from 'node:net';
import {
  type ConnectionInjector,
  type Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { type Result, fail, ok } from '@weft/kernel';
import type { MeshEvent, TapEvent, TapRequest } from '../admin-message.ts';
import { MAX_MESSAGE_BYTES } from '../sync-message.ts';
import type { AdminCall, AdminService } from './admin-service.ts';
import {
  ADMIN_CREATE_TOKEN,
  ADMIN_GET_CONFIG,
  ADMIN_GET_SERVER,
  ADMIN_GET_DASHBOARD,
  ADMIN_GET_TRAFFIC,
  ADMIN_GET_VERSIONS,
  ADMIN_LIST_OBJECTS,
  ADMIN_LIST_PROXIES,
  ADMIN_TAP,
  ADMIN_WATCH_EVENTS,
  ADMIN_WHY,
  type CallFault,
  type Method,
} from './method.ts';
import { serveEvents, serveTap } from './served-stream.ts';
import { type Received, type Reply, callback, errorOf, unary } from './unary.ts';

/** Judges who calls where a file's mode does not. */
export interface AdminGuard {
  /** The service as this caller may use it. `token` is what came as `authorization: Bearer`; empty for none. */
  admit(call: AdminCall, token: string): Promise<Result<AdminService, CallFault>>;
}

/** `sun_path` of unix(7) has 108 bytes on Linux and 104 on macOS, one of them the closing NUL. */
const MAX_PATH_BYTES = 103;

/** `Admin` on a UNIX socket that only its owner may open, or on a port behind a guard. */
export class AdminServer {
  private readonly service: AdminService | AdminGuard;
  private readonly grpc: Server;
  private readonly connections: ConnectionInjector;
  private readonly listener: NetServer;
  private readonly sockets: Set<Socket>;

  constructor(service: AdminService | AdminGuard) {
    this.service = service;
    this.grpc = new Server({
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      'grpc.enable_channelz': 0,
    });
    // grpc-js types a service by `any`; the pairs made by `serve` agree by its own type parameters.
    const definitions: Record<string, unknown> = {};
    const handlers: Record<string, unknown> = {};
    const serve = <Q, S>(
      name: AdminCall,
      method: Method<Q, S>,
      handle: (service: AdminService, request: Q) => Reply<S>,
    ): void => {
      definitions[name] = unary(method);
      handlers[name] = (call: ServerUnaryCall<Received<Q>, S>, done: sendUnaryData<S>) =>
        callback(call.request, done, (request) => {
          if (!('admit' in service)) return handle(service, request);
          return service
            .admit(name, tokenOf(call.metadata))
            .then((admitted) => (admitted.ok ? handle(admitted.value, request) : admitted));
        });
    };
    serve('GetServer', ADMIN_GET_SERVER, (own) => own.getServer());
    serve('ListProxies', ADMIN_LIST_PROXIES, (own) => own.listProxies());
    serve('GetConfig', ADMIN_GET_CONFIG, (own, request) => own.getConfig(request));
    serve('GetVersions', ADMIN_GET_VERSIONS, (own, request) => own.getVersions(request));
    serve('ListObjects', ADMIN_LIST_OBJECTS, (own, request) => own.listObjects(request));
    serve('CreateToken', ADMIN_CREATE_TOKEN, (own, request) => own.createToken(request));
    serve('Why', ADMIN_WHY, (own, request) => own.why(request));
    serve('GetDashboard', ADMIN_GET_DASHBOARD, (own) => own.getDashboard());
    serve('GetTraffic', ADMIN_GET_TRAFFIC, (own, request) => own.getTraffic(request));
    definitions['Tap'] = unary(ADMIN_TAP, true);
    handlers['Tap'] = (call: ServerWritableStream<Received<TapRequest>, TapEvent>) =>
      this.stream('Tap', call, (own) => serveTap(call, (...asked) => own.tap(...asked)));
    definitions['WatchEvents'] = unary(ADMIN_WATCH_EVENTS, true);
    handlers['WatchEvents'] = (call: ServerWritableStream<Received<{ noFollow: boolean }>, MeshEvent>) =>
      this.stream('WatchEvents', call, (own) => serveEvents(call, (...asked) => own.watchEvents(...asked)));
    this.grpc.addService(definitions as ServiceDefinition, handlers as UntypedServiceImplementation);
    this.connections = this.grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.sockets = new Set();
    this.listener = createServer((socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.sockets.delete(socket));
      this.connections.injectConnection(socket);
    });
  }

  /**
   * Listens on a path, mode 0600. A socket left behind by a process that is gone is taken over; the error is one line for
   * people. Main thread only, because the mode is set by the process's umask.
   */
  async listen(path: string): Promise<Result<void, string>> {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
      return fail(`${path} is longer than the ${MAX_PATH_BYTES} bytes of a UNIX socket's path; use a shorter folder`);
    }
    if (existsSync(path)) {
      if (await answers(path)) return fail(`${path} is served by another process already`);
      unlinkSync(path);
    }
    return new Promise((resolve) => {
      const failed = (error: Error): void => resolve(fail(error.message));
      this.listener.once('error', failed);
      const mask = process.umask(0o177);
      this.listener.listen(path, () => {
        this.listener.off('error', failed);
        chmodSync(path, 0o600);
        resolve(ok(undefined));
      });
      process.umask(mask);
    });
  }

  /** Listens on a port, 0 for a free one: for a guarded server. Rejects when it is taken. */
  listenPort(port: number, host: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.listener.once('error', reject);
      this.listener.listen({ port, host }, () => {
        this.listener.off('error', reject);
        resolve((this.listener.address() as AddressInfo).port);
      });
    });
  }

  /** Ends all calls and removes the socket. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.listener.close(() => resolve());
      this.grpc.forceShutdown();
      for (const socket of this.sockets) socket.destroy();
    });
  }

  private stream<Q, S>(
    name: AdminCall,
    call: ServerWritableStream<Q, S>,
    begin: (service: AdminService) => void,
  ): void {
    const { service } = this;
    if (!('admit' in service)) {
      begin(service);
      return;
    }
    void service.admit(name, tokenOf(call.metadata)).then((admitted) => {
      if (call.cancelled || call.destroyed) return;
      if (admitted.ok) begin(admitted.value);
      else call.emit('error', errorOf(admitted.error));
    });
  }
}

function tokenOf(metadata: Metadata): string {
  const [given] = metadata.get('authorization');
  return typeof given === 'string' ? (/^Bearer (\S+)$/i.exec(given)?.[1] ?? '') : '';
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
