/** Speaks to frame-program.ts, one command at a time. */
import { fileURLToPath } from 'node:url';
import { LineProgram, nodeProgram } from '../line-program.ts';
import type { Workbench } from '../workbench.ts';

export const floodKinds = [
  'rapid-reset',
  'made-you-reset',
  'continuation',
  'settings',
  'ping',
  'empty-data',
  'priority',
  'window-update',
  'tiny-windows',
  'hpack-bomb',
  'table-size',
] as const;
export type FloodKind = (typeof floodKinds)[number];

export type FrameCommand =
  | { readonly do: 'upstream' }
  /** Messages back and forth, one under way on each stream. */
  | {
      readonly do: 'messages';
      readonly port: number;
      readonly host: string;
      readonly connections: number;
      readonly streams: number;
      readonly seconds: number;
    }
  /** Opens connections with streams that say nothing, and keeps them. */
  | {
      readonly do: 'hold';
      readonly port: number;
      readonly host: string;
      readonly connections: number;
      readonly streams: number;
    }
  /** Requests at a fixed rate over one connection; their latency counts from when they leave. */
  | {
      readonly do: 'calls';
      readonly port: number;
      readonly host: string;
      readonly rate: number;
      readonly seconds: number;
    }
  | { readonly do: 'release' }
  /** Floods, and again when it was cut off, until the time is up. */
  | {
      readonly do: 'flood';
      readonly port: number;
      readonly host: string;
      readonly kind: FloodKind;
      /** Address of its own to connect from: others are not to pay for what is kept against it. */
      readonly from: string;
      readonly seconds: number;
    };

export interface FrameReply {
  readonly port?: number;
  /** Messages that came back, or streams that are open. */
  readonly completed?: number;
  readonly errors?: number;
  readonly seconds?: number;
  /** The peer's last complaint. */
  readonly farewell?: string;
  readonly latencyMs?: readonly number[];
  /**
   * From the peer's first frame to the end of a flood, for each connection that was cut off. What is written before the peer
   * has said anything lies in the kernel and floods nobody.
   */
  readonly closedMs?: readonly number[];
  /** Floods that were still going on after three seconds. */
  readonly endured?: number;
}

const program = fileURLToPath(new URL('frame-program.ts', import.meta.url));

export class FrameDriver {
  private readonly program: LineProgram;

  /** `behind`: lets the other programs of the bench go first, for load whose own time does not count. */
  constructor(workbench: Workbench, behind = false) {
    this.program = new LineProgram(workbench, { ...nodeProgram(program, behind), processor: 'load' });
  }

  async run(command: FrameCommand): Promise<FrameReply> {
    return (await this.program.ask(command)) as FrameReply;
  }

  stop(): Promise<void> {
    return this.program.stop();
  }
}
