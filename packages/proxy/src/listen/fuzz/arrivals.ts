import { Buffer } from 'node:buffer';
import type { Random } from '@weft/kernel';
import { FakeClock } from '@weft/testkit';
import type { Engine } from '../../exchange/engine.ts';
import { ingressOf } from '../../fixture/plane-fixture.ts';
import type { SessionRace } from '../../tcp/session-start.ts';
import { takeFirstBytes } from '../first-bytes.ts';
import { ProtocolDetection } from '../protocol-detection.ts';
import type { DetectionHome } from '../protocol-detection.ts';
import { takeProxyHeader } from '../proxy-header.ts';
import { ScriptedSocket } from './scripted-socket.ts';

/** One connection: what comes, when, and how it ends. */
export interface Arrival {
  readonly reader: 'detection' | 'detection-mesh' | 'first-bytes' | 'proxy-header';
  readonly steps: readonly Step[];
}

export type Step =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'leave'; readonly how: 'end' | 'close' }
  /** What happens to the connection that is dialled while the caller is silent. */
  | { readonly kind: 'server-first' | 'server-gone' | 'destroy' };

/** Each state's limit, from the last thing that may move it on: silence, and first bytes that tell nothing. */
const LIMIT_MS = {
  detection: 310_000,
  'detection-mesh': 310_000,
  'first-bytes': 6_000,
  'proxy-header': 6_000,
} as const;

/** The most that may be held before a connection is judged: a ClientHello at its limit, and what came with its last piece. */
const HELD_BYTES = 16_384 * 2 + 64 * 5;

/** Plays the arrival on a clock of its own. Which law is broken, and how; undefined when all hold. */
export function brokenLaw(arrival: Arrival): string | undefined {
  const stage = new Stage(arrival.reader);
  try {
    for (const step of arrival.steps) stage.play(step);
    stage.clock.advance(LIMIT_MS[arrival.reader]);
  } catch (error) {
    return `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
  return stage.verdict();
}

export function makeArrival(corpus: readonly Buffer[], random: Random): Arrival {
  const readers = ['detection', 'detection-mesh', 'first-bytes', 'proxy-header'] as const;
  const reader = readers[Math.floor(random() * readers.length)]!;
  const text = corpus[Math.floor(random() * corpus.length)]!;
  // Some stop in the middle, and some say nothing at all.
  const bytes = random() < 0.6 ? text : text.subarray(0, Math.floor(random() * Math.min(text.length, 12)));
  const steps: Step[] = [];
  let at = 0;
  while (at < bytes.length && steps.length < 40) {
    const chance = random();
    if (chance < 0.25) steps.push({ kind: 'wait', ms: Math.floor(random() * (chance < 0.05 ? 400_000 : 60)) });
    else if (chance < 0.28) steps.push({ kind: 'leave', how: random() < 0.5 ? 'end' : 'close' });
    else if (chance < 0.33) {
      const kinds = ['server-first', 'server-gone', 'destroy'] as const;
      steps.push({ kind: kinds[Math.floor(random() * kinds.length)]! });
    } else {
      const size = 1 + Math.floor(random() * (random() < 0.5 ? 8 : bytes.length));
      steps.push({ kind: 'bytes', bytes: Buffer.from(bytes.subarray(at, at + size)) });
      at += size;
    }
  }
  return { reader, steps };
}

/** A reader of first bytes with everything around it made up. */
class Stage {
  readonly clock: FakeClock;
  private readonly socket: ScriptedSocket;
  private readonly sent: Buffer[];
  private readonly outcomes: string[];
  private readonly detection: ProtocolDetection | null;
  private race: SessionRace | null;
  private raceOpen: boolean;
  private heldAtMost: number;
  private largestPiece: number;
  private taken: Buffer;

  constructor(reader: Arrival['reader']) {
    this.clock = new FakeClock();
    this.socket = new ScriptedSocket();
    this.sent = [];
    this.outcomes = [];
    this.race = null;
    this.raceOpen = false;
    this.heldAtMost = 0;
    this.largestPiece = 0;
    this.taken = Buffer.alloc(0);
    const engine = this.engine();
    const socket = this.socket.asSocket;
    this.detection = null;
    if (reader === 'first-bytes') {
      const seen = (first: Buffer, what: string): void => {
        this.taken = first;
        this.settle(what);
      };
      takeFirstBytes(socket, engine, 5_000, seen, () => this.refuse('late'));
    } else if (reader === 'proxy-header') {
      const taken = (): void => {
        const whole = Buffer.concat(this.sent);
        this.taken = whole.subarray(0, whole.length - this.socket.left.length);
        this.settle('taken');
      };
      takeProxyHeader(socket, engine, taken, (detail) => this.refuse(detail));
    } else {
      const ingress = ingressOf({ kind: 'fixed' });
      const home = this.home(engine, reader === 'detection-mesh');
      this.detection = new ProtocolDetection(home, socket, ingress, () => {});
    }
  }

  play(step: Step): void {
    const { socket } = this;
    if (step.kind === 'bytes') {
      if (this.outcomes.length === 0 && !socket.destroyed) {
        this.sent.push(step.bytes);
        this.largestPiece = Math.max(this.largestPiece, step.bytes.length);
        socket.arrive(step.bytes);
      }
      if (this.outcomes.length === 0) {
        this.heldAtMost = Math.max(this.heldAtMost, Buffer.concat(this.sent).length);
      }
    } else if (step.kind === 'wait') this.clock.advance(step.ms);
    else if (step.kind === 'leave') socket.leave(step.how);
    else if (step.kind === 'destroy') {
      if (this.detection === null) socket.destroy();
      else this.detection.destroy();
    } else if (this.race !== null && this.raceOpen) {
      const { race } = this;
      if (step.kind === 'server-first') race.serverFirst();
      else {
        this.raceOpen = false;
        race.over();
      }
    }
  }

  verdict(): string | undefined {
    const { socket, outcomes } = this;
    if (outcomes.length > 1) return `it was judged ${outcomes.length} times: ${outcomes.join(', ')}`;
    if (outcomes.length === 0 && !socket.destroyed) return 'a state without a time limit';
    for (const name of ['data', 'end', 'close']) {
      if (socket.listenerCount(name) > 0) return `somebody still listens for ${name}`;
    }
    if (this.raceOpen) return 'the connection that was dialled is still open';
    if (this.heldAtMost > HELD_BYTES + this.largestPiece) return `${this.heldAtMost} bytes were held`;
    const refused = outcomes.length === 0 || outcomes[0]!.startsWith('refused');
    const whole = Buffer.concat([this.taken, socket.left]);
    if (!refused && !whole.equals(Buffer.concat(this.sent))) return 'what goes on is not what came';
    return undefined;
  }

  private settle(what: string): void {
    this.outcomes.push(what);
  }

  private refuse(why: string): void {
    this.outcomes.push(`refused ${why}`);
    this.socket.destroy();
  }

  private engine(): Engine {
    const { clock } = this;
    const wheel = clock.wheel();
    const engine = {
      clock,
      wheel,
      nowMs: clock.nowMs(),
      tick: () => (engine.nowMs = clock.nowMs()),
    };
    return engine as unknown as Engine;
  }

  private home(engine: Engine, mesh: boolean): DetectionHome {
    const session = (race: SessionRace | null): unknown => {
      this.race = race;
      this.raceOpen = race !== null;
      return {
        open: true,
        attach: () => {
          this.raceOpen = false;
          this.settle('bytes');
        },
        abandon: () => void (this.raceOpen = false),
      };
    };
    return {
      engine,
      sessions: {
        open: (_socket: unknown, _ingress: unknown, start: { race?: SessionRace } = {}) => {
          if (start.race === undefined) this.settle('bytes');
          return session(start.race ?? null);
        },
      } as unknown as DetectionHome['sessions'],
      onRequests: () => this.settle('requests'),
      onMeshTls: mesh ? () => this.settle('mesh TLS') : null,
      refuse: (_socket, code) => this.refuse(code),
    };
  }
}
