import { type Random, assert } from '@weft/kernel';
import type { FakeClock } from './fake-clock.ts';

/** What a link does to messages, each drawn anew for every message. Ratios are in [0, 1]. */
export interface LinkFaults {
  minDelayMs: number;
  maxDelayMs: number;
  /** The message vanishes; nobody is told. */
  lossRatio: number;
  /** A second copy arrives after a delay of its own. */
  duplicateRatio: number;
  /** The message is not held back for those sent before it. */
  reorderRatio: number;
}

/** How a stream ended: `closed` after all messages sent before, `reset` without them. */
export type StreamEnd = 'closed' | 'reset';

export interface StreamHandlers {
  onMessage(payload: unknown): void;
  /** Called once, unless this side ended the stream itself or its node is gone. */
  onClose(end: StreamEnd): void;
  /** Called when messages on their way fall below the limit after `send` returned false. */
  onDrain?(): void;
}

/** Takes a stream that another node has opened; returns the handlers of this side. */
export type StreamListener = (stream: VirtualStream, from: string) => StreamHandlers;

interface Packet {
  readonly kind: 'open' | 'message' | StreamEnd;
  readonly payload: unknown;
  /** Place in the stream's order; -1 for what does not wait for others. */
  readonly sequence: number;
}

/** Messages on their way at which `send` reports a full buffer. */
const FULL_MESSAGES = 16;

/** A quiet local network: what is not told otherwise has a delay and no faults. */
const QUIET: LinkFaults = { minDelayMs: 0.5, maxDelayMs: 2, lossRatio: 0, duplicateRatio: 0, reorderRatio: 0 };

/**
 * Named nodes that exchange messages over streams, on a fake clock: one process, no sockets, and the same run for the
 * same seed. Streams behave as on TCP: in order, and what is sent into a partition arrives after it heals unless a
 * side has given up. Loss, duplication and reordering of single messages exist beyond that when a link asks for them,
 * for protocols that must bear a peer or a layer between that misbehaves. Payloads travel by reference: don't write to
 * them after sending.
 */
export class VirtualNetwork {
  /** What has happened so far, for tests that want to know that their faults took place. */
  readonly counts: {
    sent: number;
    delivered: number;
    lost: number;
    duplicated: number;
    reordered: number;
    held: number;
  };
  private readonly clock: FakeClock;
  private readonly random: Random;
  private readonly defaults: LinkFaults;
  private readonly nodes: Map<string, VirtualNode>;
  private readonly faults: Map<string, LinkFaults>;
  private readonly blocked: Set<string>;
  private held: { from: VirtualStream; packet: Packet }[];

  constructor(clock: FakeClock, random: Random, defaults: Partial<LinkFaults> = {}) {
    this.counts = { sent: 0, delivered: 0, lost: 0, duplicated: 0, reordered: 0, held: 0 };
    this.clock = clock;
    this.random = random;
    this.defaults = { ...QUIET, ...defaults };
    this.nodes = new Map();
    this.faults = new Map();
    this.blocked = new Set();
    this.held = [];
  }

  /** The node of that name; made at its first mention. */
  node(name: string): VirtualNode {
    let node = this.nodes.get(name);
    if (node === undefined) {
      node = new VirtualNode(this, name);
      this.nodes.set(name, node);
    }
    return node;
  }

  /** Changes the faults of the messages sent from one node to another; what is left out returns to the default. */
  setFaults(from: string, to: string, faults: Partial<LinkFaults>): void {
    this.faults.set(linkKey(from, to), { ...this.defaults, ...faults });
  }

  /** Nothing passes between the two groups, in either direction, and no side is told. */
  partition(group: readonly string[], others: readonly string[]): void {
    this.block(group, others);
    this.block(others, group);
  }

  /** A half-open link: nothing from `senders` reaches `receivers`; the other direction stays as it is. */
  block(senders: readonly string[], receivers: readonly string[]): void {
    for (const from of senders) for (const to of receivers) this.blocked.add(linkKey(from, to));
  }

  /** Ends all partitions and half-open links; what was held back sets out again. */
  heal(): void {
    this.blocked.clear();
    const held = this.held;
    this.held = [];
    for (const { from, packet } of held) this.dispatch(from, packet);
  }

  /** Lets the clock run until `untilMs` of its time. */
  run(untilMs: number): void {
    this.clock.advance(untilMs - this.clock.nowMs());
  }

  /** A stream's way to send; use `VirtualStream`. */
  transmit(from: VirtualStream, kind: Packet['kind'], payload: unknown): void {
    if (kind !== 'message') {
      this.dispatch(from, { kind, payload, sequence: kind === 'reset' ? -1 : from.takeSequence() });
      return;
    }
    const faults = this.faultsOf(from);
    this.counts.sent += 1;
    // The draws are made in the same number and order whatever the ratios, so that a seed stays comparable.
    const isLost = this.random() < faults.lossRatio;
    const isDuplicated = this.random() < faults.duplicateRatio;
    const isReordered = this.random() < faults.reorderRatio;
    if (isLost) {
      this.counts.lost += 1;
      return;
    }
    if (isReordered) this.counts.reordered += 1;
    from.inFlight += 1;
    this.dispatch(from, { kind, payload, sequence: isReordered ? -1 : from.takeSequence() });
    if (isDuplicated) {
      this.counts.duplicated += 1;
      from.inFlight += 1;
      this.dispatch(from, { kind, payload, sequence: -1 });
    }
  }

  private dispatch(from: VirtualStream, packet: Packet): void {
    const { minDelayMs, maxDelayMs } = this.faultsOf(from);
    const delayMs = minDelayMs + this.random() * (maxDelayMs - minDelayMs);
    this.clock.at(this.clock.nowMs() + delayMs, () => {
      // Looked up on arrival, so that a partition also catches what is on its way.
      if (this.blocked.has(linkKey(from.node.name, from.peer.node.name))) {
        this.counts.held += 1;
        this.held.push({ from, packet });
        return;
      }
      from.peer.arrive(packet);
    });
  }

  private faultsOf(from: VirtualStream): LinkFaults {
    return this.faults.get(linkKey(from.node.name, from.peer.node.name)) ?? this.defaults;
  }
}

/** One process of the network. */
export class VirtualNode {
  readonly name: string;
  readonly network: VirtualNetwork;
  /** The machine has no power: it neither takes nor answers anything. */
  isDark: boolean;
  private listener: StreamListener | null;
  private streams: Set<VirtualStream>;

  constructor(network: VirtualNetwork, name: string) {
    this.name = name;
    this.network = network;
    this.isDark = false;
    this.listener = null;
    this.streams = new Set();
  }

  /** Accepts streams from now on; replaces an earlier listener, and brings a vanished node back. */
  listen(listener: StreamListener): void {
    this.isDark = false;
    this.listener = listener;
  }

  /** Brings a vanished node back; what peers send on its old streams is answered by a reset. */
  restart(): void {
    this.isDark = false;
  }

  /** Opens a stream; messages may be sent at once. A node that does not listen answers with a reset. */
  open(to: string, handlers: StreamHandlers): VirtualStream {
    assert(!this.isDark, 'a vanished node opened a stream before its restart');
    const near = new VirtualStream(this);
    const far = new VirtualStream(this.network.node(to));
    near.peer = far;
    far.peer = near;
    near.attach(handlers);
    this.streams.add(near);
    this.network.transmit(near, 'open', undefined);
    return near;
  }

  /** The process dies and its system says so: peers see a reset, also when they open a stream. No handler here is called. */
  crash(): void {
    for (const stream of this.stop()) this.network.transmit(stream, 'reset', undefined);
  }

  /** The machine loses power: peers hear nothing until `restart` or `listen`. No handler here is called. */
  vanish(): void {
    this.stop();
    this.isDark = true;
  }

  /** Open streams of this node. */
  get openStreams(): number {
    return this.streams.size;
  }

  /** A stream's way to its node; use `VirtualStream`. */
  accept(stream: VirtualStream): boolean {
    if (this.listener === null) return false;
    this.streams.add(stream);
    stream.attach(this.listener(stream, stream.peer.node.name));
    return true;
  }

  release(stream: VirtualStream): void {
    this.streams.delete(stream);
  }

  private stop(): VirtualStream[] {
    const streams = [...this.streams];
    this.listener = null;
    this.streams = new Set();
    for (const stream of streams) stream.forget();
    return streams;
  }
}

/** One side of a stream. */
export class VirtualStream {
  readonly node: VirtualNode;
  peer: VirtualStream;
  /** Messages of this side that have not arrived. */
  inFlight: number;
  private handlers: StreamHandlers | null;
  private isEnded: boolean;
  private wantsDrain: boolean;
  private nextToSend: number;
  private nextToDeliver: number;
  private readonly early: Map<number, Packet>;
  /** What waits for nothing but the opening itself. */
  private beforeOpening: Packet[];

  constructor(node: VirtualNode) {
    this.node = node;
    this.peer = this;
    this.inFlight = 0;
    this.handlers = null;
    this.isEnded = false;
    this.wantsDrain = false;
    this.nextToSend = 0;
    this.nextToDeliver = 0;
    this.early = new Map();
    this.beforeOpening = [];
  }

  /** True until this side ended the stream or has been told of its end. */
  get isOpen(): boolean {
    return !this.isEnded;
  }

  /** Sends a message; false when the buffer is full now, and `onDrain` will follow. The message is on its way anyhow. */
  send(payload: unknown): boolean {
    assert(!this.isEnded, 'a message was sent on an ended stream');
    this.node.network.transmit(this, 'message', payload);
    if (this.inFlight < FULL_MESSAGES) return true;
    this.wantsDrain = true;
    return false;
  }

  /** Ends the stream after what was sent; what still comes from the peer is dropped. Nothing happens when ended. */
  close(): void {
    this.end('closed');
  }

  /** Ends the stream at once; what was sent may be lost. Nothing happens when ended. */
  reset(): void {
    this.end('reset');
  }

  attach(handlers: StreamHandlers): void {
    this.handlers = handlers;
  }

  /** Ends this side without a word to anybody: its process is gone. */
  forget(): void {
    this.isEnded = true;
    this.handlers = null;
    this.early.clear();
    this.beforeOpening = [];
  }

  takeSequence(): number {
    this.nextToSend += 1;
    return this.nextToSend - 1;
  }

  /** A packet of the peer has come through the network. */
  arrive(packet: Packet): void {
    if (this.node.isDark) return;
    if (packet.sequence === -1) {
      if (packet.kind === 'message' && this.handlers === null && !this.isEnded) this.beforeOpening.push(packet);
      else this.deliver(packet);
      return;
    }
    if (this.isEnded) {
      // What came before may have been lost with the node, so nothing is waited for.
      this.deliver(packet);
      return;
    }
    this.early.set(packet.sequence, packet);
    for (let next = this.early.get(this.nextToDeliver); next !== undefined; next = this.early.get(this.nextToDeliver)) {
      this.early.delete(this.nextToDeliver);
      this.nextToDeliver += 1;
      this.deliver(next);
    }
  }

  private deliver(packet: Packet): void {
    if (packet.kind === 'message') this.peer.confirm();
    if (this.handlers === null) {
      this.deliverUnattached(packet);
      return;
    }
    if (this.isEnded) return;
    if (packet.kind === 'message') {
      this.node.network.counts.delivered += 1;
      this.handlers.onMessage(packet.payload);
    } else if (packet.kind !== 'open') {
      this.isEnded = true;
      this.node.release(this);
      this.handlers.onClose(packet.kind);
    }
  }

  /** Nobody holds this side: it is not accepted yet, or was lost with its process. */
  private deliverUnattached(packet: Packet): void {
    if (packet.kind === 'reset' || packet.kind === 'closed') {
      this.isEnded = true;
      return;
    }
    if (packet.kind === 'open' && !this.isEnded && this.node.accept(this)) {
      const waiting = this.beforeOpening;
      this.beforeOpening = [];
      for (const hasty of waiting) this.deliver(hasty);
      return;
    }
    this.isEnded = true;
    if (this.peer.isOpen) this.node.network.transmit(this, 'reset', undefined);
  }

  private confirm(): void {
    this.inFlight -= 1;
    if (!this.wantsDrain || this.isEnded || this.inFlight >= FULL_MESSAGES / 2) return;
    this.wantsDrain = false;
    this.handlers?.onDrain?.();
  }

  private end(end: StreamEnd): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.node.release(this);
    this.node.network.transmit(this, end, undefined);
  }
}

function linkKey(from: string, to: string): string {
  return `${from}\n${to}`;
}
