import type { TapFilter } from './observation-message.ts';
import { type Answer, type Query, type ServerMessage, type Tapped } from './sync-message.ts';

const MAX_QUERIES = 16;
const MAX_TAPS = 16;

/** What is asked of one proxy over its stream, and the live requests it is to tell of. The caller keeps the time. */
export class SessionQuestions {
  private readonly send: (message: ServerMessage) => void;
  private readonly queries: Map<number, (answer: Answer | null) => void>;
  private readonly taps: Map<number, (tapped: Tapped | null) => void>;
  private lastId: number;
  private isOver: boolean;

  constructor(send: (message: ServerMessage) => void) {
    this.send = send;
    this.queries = new Map();
    this.taps = new Map();
    this.lastId = 0;
    this.isOver = false;
  }

  /** `done` gets null when the stream ends first, or at once when 16 questions are open. */
  ask(what: Omit<Query, 'id'>, done: (answer: Answer | null) => void): void {
    if (this.isOver || this.queries.size >= MAX_QUERIES) {
      done(null);
      return;
    }
    this.lastId += 1;
    this.queries.set(this.lastId, done);
    this.send({ type: 'query', query: { id: this.lastId, ...what } });
  }

  /** Until the returned function is called; `told` gets null when the stream ends, or at once when 16 taps are open. */
  tap(filter: TapFilter, lastsMs: number, told: (tapped: Tapped | null) => void): () => void {
    if (this.isOver || this.taps.size >= MAX_TAPS) {
      told(null);
      return () => undefined;
    }
    this.lastId += 1;
    const id = this.lastId;
    this.taps.set(id, told);
    this.send({ type: 'tap', tap: { id, stop: false, filter, lastsMs } });
    return () => {
      if (!this.taps.delete(id) || this.isOver) return;
      this.send({ type: 'tap', tap: { id, stop: true, filter: null, lastsMs: 0 } });
    };
  }

  answered(answer: Answer): void {
    const done = this.queries.get(answer.id);
    this.queries.delete(answer.id);
    if (done !== undefined) done(answer);
  }

  tapped(tapped: Tapped): void {
    this.taps.get(tapped.id)?.(tapped);
  }

  /** The stream is gone: whoever waits is told. */
  finish(): void {
    this.isOver = true;
    const open = [...this.queries.values()];
    this.queries.clear();
    for (const done of open) done(null);
    const taps = [...this.taps.values()];
    this.taps.clear();
    for (const told of taps) told(null);
  }
}
