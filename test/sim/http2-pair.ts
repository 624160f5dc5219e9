import { Buffer } from 'node:buffer';
import { Head, Http2Connection, MethodId, RequestFacts, noEdits } from '@weft/http';
import type { Http2ConnectionSink, Http2Limits, Http2Stream, Http2StreamSink } from '@weft/http';
import type { Random } from '@weft/kernel';
import type { FakeClock, VirtualStream } from '@weft/testkit';
import { responseHead } from '../../packages/http/src/http2/test-head.ts';

/** What one call is to be; both sides know it, the server by the path. */
export interface CallPlan {
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly requestTrailers: boolean;
  readonly responseTrailers: boolean;
  /** Heads of status 103 before the final one. */
  readonly interims: number;
  /** The response begins with the request's head and does not wait for its end. */
  readonly early: boolean;
  /** Who gives up, and after how many bytes it received. */
  readonly reset: 'none' | 'client' | 'server';
  readonly resetAfterBytes: number;
}

/** Bodies are cuts of this: a byte at the wrong place shows, wherever it is. */
const material = Buffer.from(Array.from({ length: 1 << 17 }, (_, at) => (at * 7 + (at >>> 8) * 13) & 0xff));
const NO_ERROR = 0;
const CANCEL = 8;

/** One message of one side: what it sends of it and what it has received of the other's. */
export class SimStream implements Http2StreamSink {
  readonly call: number;
  readonly plan: CallPlan;
  readonly side: SimSide;
  stream: Http2Stream | undefined;
  received: number;
  heads: number[];
  trailers: string;
  ended: boolean;
  /** This side gave up. */
  gaveUp: boolean;
  terminated: string;
  /** Opened before the peer's SETTINGS had come. */
  readonly hasty: boolean;
  private sent: number;
  private pouring: boolean;
  private released: boolean;

  constructor(side: SimSide, call: number, plan: CallPlan) {
    this.call = call;
    this.plan = plan;
    this.side = side;
    this.stream = undefined;
    this.received = 0;
    this.heads = [];
    this.trailers = '';
    this.ended = false;
    this.gaveUp = false;
    this.terminated = '';
    this.hasty = !side.connection.settingsSeen;
    this.sent = 0;
    this.pouring = false;
    this.released = false;
  }

  /** Sends the body in pieces of any size, with pauses, stopping when blocked as an exchange does. */
  pour(): void {
    const { random } = this.side;
    const total = this.side.isServer ? this.plan.responseBytes : this.plan.requestBytes;
    const stream = this.stream!;
    this.pouring = true;
    while (this.sent < total && !stream.closed) {
      const bytes = Math.min(total - this.sent, 1 + Math.floor(random() ** 4 * 40_000));
      const from = this.start(this.side.isServer) + this.sent;
      stream.sendData(material, from, from + bytes);
      this.sent += bytes;
      if (stream.blocked) return;
      if (random() < 0.3) {
        this.side.later(() => this.pour());
        return;
      }
    }
    this.pouring = false;
    if (stream.closed) return;
    const trailers = this.side.isServer ? this.plan.responseTrailers : this.plan.requestTrailers;
    stream.sendEnd(trailers ? responseHead(`HTTP/1.1 200 OK\r\nX-Sum: ${total}\r\n`, 0).head : null);
  }

  onHead(head: Head): void {
    this.heads.push(head.status);
    if (this.side.isServer && head.path !== `/${this.call}`)
      throw new Error(`call ${this.call}: a head of ${head.path}`);
    if (this.side.isServer && this.plan.early) this.answer();
  }

  onData(chunk: Buffer, start: number, end: number): void {
    const from = this.start(!this.side.isServer) + this.received;
    if (material.compare(chunk, start, end, from, from + end - start) !== 0) {
      throw new Error(`call ${this.call}: other bytes than were sent, from ${this.received} on`);
    }
    this.received += end - start;
    const stream = this.stream!;
    const mine = this.side.isServer ? 'server' : 'client';
    if (this.plan.reset === mine && this.received >= this.plan.resetAfterBytes) {
      this.gaveUp = true;
      stream.reset(this.side.isServer ? NO_ERROR : CANCEL);
      stream.grant(end - start);
      return;
    }
    this.side.later(() => stream.grant(end - start));
  }

  onTrailers(trailers: Head): void {
    this.trailers = trailers.valueOf('x-sum') ?? '';
  }

  onEnd(): void {
    if (this.ended) throw new Error(`call ${this.call}: ended twice`);
    this.ended = true;
    this.giveBack();
    if (this.side.isServer && !this.plan.early) this.side.later(() => this.answer());
  }

  onTermination(code: string, detail: string): void {
    this.terminated = `${code} ${detail}`;
    this.giveBack();
  }

  onDrained(): void {
    if (this.pouring) this.pour();
  }

  /** Heads are used again: whoever still looked at one would see another's. */
  private giveBack(): void {
    if (this.released) return;
    this.released = true;
    this.side.later(() => this.stream!.release());
  }

  private answer(): void {
    const stream = this.stream!;
    if (stream.closed) return;
    for (let count = 0; count < this.plan.interims; count += 1) {
      const { head, facts } = responseHead('HTTP/1.1 103 Early Hints\r\n', -1);
      stream.sendHead(head, noEdits, facts);
    }
    const counted = this.call % 2 === 0 && !this.plan.responseTrailers;
    const { head, facts } = responseHead('HTTP/1.1 200 OK\r\n', counted ? this.plan.responseBytes : -1);
    stream.sendHead(head, noEdits, facts);
    this.pour();
  }

  private start(byServer: boolean): number {
    return (this.call * 997 + (byServer ? 500 : 0)) % 8192;
  }
}

/** One side: a codec, a stream of the virtual network, and turns that take their time. */
export class SimSide implements Http2ConnectionSink {
  readonly isServer: boolean;
  readonly random: Random;
  readonly connection: Http2Connection;
  readonly streams: SimStream[];
  readonly plans: readonly CallPlan[];
  /** The codec's verdict on its peer; empty as long as it has none. */
  fault: string;
  goaway: boolean;
  /** Most bytes that were received and not granted. */
  mostQueued: number;
  link: VirtualStream | undefined;
  private readonly clock: FakeClock;
  private due: boolean;

  constructor(isServer: boolean, plans: readonly CallPlan[], limits: Http2Limits, clock: FakeClock, random: Random) {
    this.isServer = isServer;
    this.random = random;
    this.streams = [];
    this.plans = plans;
    this.fault = '';
    this.goaway = false;
    this.mostQueued = 0;
    this.link = undefined;
    this.clock = clock;
    this.due = false;
    const role = isServer ? 'server' : 'client';
    this.connection = new Http2Connection({ role, limits, scheme: 'http', connectProtocol: true }, this);
  }

  /** Runs it within the next milliseconds of the clock. */
  later(run: () => void): void {
    this.clock.at(this.clock.nowMs() + this.random() ** 3 * 20, run);
  }

  attach(link: VirtualStream): void {
    this.link = link;
    this.onOutput();
  }

  /** Client: begins a call when the connection takes one; undefined otherwise. */
  call(number: number): SimStream | undefined {
    const sim = new SimStream(this, number, this.plans[number]!);
    const head = new Head();
    head.methodId = MethodId.Post;
    const facts = new RequestFacts();
    facts.host = 'a.example';
    facts.target = `/${number}`;
    facts.framing = 2;
    sim.stream = this.connection.open(sim, head, noEdits, facts);
    if (sim.stream === undefined) return undefined;
    this.streams.push(sim);
    sim.pour();
    return sim;
  }

  feed(bytes: Buffer): void {
    this.connection.feed(bytes, 0, bytes.length, this.clock.nowMs());
    this.mostQueued = Math.max(this.mostQueued, this.connection.queuedBytes);
  }

  onStream(stream: Http2Stream): void {
    const number = Number(stream.head!.path.slice(1));
    const sim = new SimStream(this, number, this.plans[number]!);
    sim.stream = stream;
    stream.sink = sim;
    this.streams.push(sim);
  }

  onRefusedHead(code: string, detail: string): void {
    this.fault ||= `${code} ${detail}`;
  }

  onOutput(): void {
    if (this.due || this.link === undefined) return;
    this.due = true;
    this.later(() => this.write());
  }

  onSettings(): void {}

  onPong(): void {}

  onStreamClosed(): void {}

  onGoaway(): void {
    this.goaway = true;
  }

  onConnectionEnd(_code: string, _errorCode: number, detail: string): void {
    this.fault ||= detail;
  }

  /** One turn: what there is goes out in pieces of any size. */
  private write(): void {
    this.due = false;
    const { output } = this.connection;
    const bytes = Buffer.from(output.buffer.subarray(0, output.length));
    for (let at = 0; at < bytes.length && this.link!.isOpen;) {
      const end = Math.min(bytes.length, at + 1 + Math.floor(this.random() ** 3 * 30_000));
      this.link!.send(bytes.subarray(at, end));
      at = end;
    }
    if (this.connection.written(this.clock.nowMs())) this.onOutput();
  }
}
