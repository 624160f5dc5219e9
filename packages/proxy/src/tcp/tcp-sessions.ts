import type { Socket } from 'node:net';
import type { TerminationCode } from '@weft/outcome';
import type { Engine } from '../exchange/engine.ts';
import type { Ingress } from '../exchange/ingress.ts';
import { TcpSession } from './tcp-session.ts';
import type { SessionHome } from './tcp-session.ts';
import type { SessionStart } from './session-start.ts';
import type { TcpCarrier } from './tcp-environment.ts';

/** A dead peer's connection is found after about so long without a byte. */
const KEEP_ALIVE_MS = 60_000;

/** The TCP connections of one listener. */
export class TcpSessions implements SessionHome, TcpCarrier {
  readonly engine: Engine;
  private readonly sessions: Set<TcpSession>;
  private readonly ended: (code: TerminationCode, detail: string, peer: string) => void;

  /** `ended` hears of each connection once. */
  constructor(engine: Engine, ended: (code: TerminationCode, detail: string, peer: string) => void) {
    this.engine = engine;
    this.sessions = new Set();
    this.ended = ended;
  }

  get size(): number {
    return this.sessions.size;
  }

  bufferedBytes(): number {
    let held = 0;
    for (const session of this.sessions) held += session.bufferedBytes;
    return held;
  }

  /** Carries a connection. `start` says what is known of the caller. */
  open(socket: Socket, ingress: Ingress, start: Partial<SessionStart> = {}): TcpSession {
    this.engine.tick();
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const session = new TcpSession(this, socket, ingress, {
      encrypted: false,
      announces: false,
      race: null,
      way: null,
      ...start,
    });
    this.sessions.add(session);
    if (this.sessions.size === 1) this.engine.tcp.carriers.add(this);
    session.begin();
    return session;
  }

  /** Once a second. */
  sweep(nowMs: number): void {
    for (const session of this.sessions) session.sweep(nowMs);
  }

  renewed(vouched: (socket: Socket) => boolean): void {
    for (const session of this.sessions) {
      const { upstreamSocket, endpoint } = session;
      if (upstreamSocket === null || endpoint?.endpoint.mesh !== true || vouched(upstreamSocket)) continue;
      session.abort('policy-cut', 'root-removed');
    }
  }

  /** Ends all now. */
  destroy(code: TerminationCode, detail: string): void {
    for (const session of this.sessions) session.abort(code, detail);
  }

  sessionEnded(session: TcpSession, code: TerminationCode, detail: string, counted: boolean): void {
    this.sessions.delete(session);
    if (this.sessions.size === 0) this.engine.tcp.carriers.delete(this);
    if (counted) this.ended(code, detail, session.ingress.peerIdentity);
  }
}
