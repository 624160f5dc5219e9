import { execFile } from 'node:child_process';
import {
  constants,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '@weft/kernel';
import type { CniAnswer } from './cni-call.ts';

/** More is no configuration of a network. */
const MOST_BYTES = 1_048_576;
/** Plugins have long given up by then. */
const STALE_MS = 600_000;
const NAME = /^[A-Za-z0-9]{6}$/;

/** `lines` and `configuration` are what the plugin was started with. */
export type CallAnswerer = (lines: string, configuration: string) => Promise<CniAnswer>;

/**
 * Where plugins of this node come in (`plugin-script.ts`):
 *
 *   door              a pipe: each line names a call
 *   calls/NAME/call   what the plugin was started with; conf: its configuration
 *   calls/NAME/bell   a pipe: a line when the call was heard, one with the exit code when it is answered
 *   calls/NAME/result what the plugin prints, once it has written the rules beside it into the network of the pod
 *
 * Only root reaches the folder. Names are checked all the same.
 */
export class CallDoor {
  private readonly folder: string;
  private readonly answer: CallAnswerer;
  private readonly socket: Socket;
  private rest: string;

  private constructor(folder: string, socket: Socket, answer: CallAnswerer) {
    this.folder = folder;
    this.answer = answer;
    this.socket = socket;
    this.rest = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.take(text));
  }

  /** `makePipe` names the program that makes pipes, with its first arguments. Throws the system's error. */
  static async open(
    folder: string,
    makePipe: readonly string[],
    clock: Clock,
    answer: CallAnswerer,
  ): Promise<CallDoor> {
    const door = join(folder, 'door');
    mkdirSync(join(folder, 'calls'), { recursive: true, mode: 0o700 });
    removeStale(join(folder, 'calls'), clock.wallMs());
    if (statSync(door, { throwIfNoEntry: false })?.isFIFO() !== true) {
      rmSync(door, { force: true, recursive: true });
      const [program = '', ...args] = makePipe;
      await promisify(execFile)(program, [...args, '-m', '600', door]);
    }
    // Both ways, so that it stays open when no plugin has it open.
    const fd = openSync(door, constants.O_RDWR | constants.O_NONBLOCK);
    return new CallDoor(folder, new Socket({ fd, readable: true, writable: false }), answer);
  }

  /** Hears nothing more. What is under way is answered. */
  close(): void {
    this.socket.destroy();
  }

  private take(text: string): void {
    const lines = `${this.rest}${text}`.split('\n');
    this.rest = (lines.pop() ?? '').slice(-16);
    for (const name of lines) if (NAME.test(name)) void this.serve(join(this.folder, 'calls', name));
  }

  private async serve(call: string): Promise<void> {
    if (!ring(call, 'heard')) return;
    const lines = readBounded(join(call, 'call'));
    const configuration = readBounded(join(call, 'conf'));
    if (lines === undefined || configuration === undefined) return;
    const { exit, text, rules } = await this.answer(lines, configuration);
    try {
      writeFileSync(join(call, 'result'), text, { mode: 0o600 });
      if (rules !== '') writeFileSync(join(call, 'rules'), rules, { mode: 0o600 });
    } catch {
      // The plugin gave up, and took its folder with it.
      return;
    }
    ring(call, `${exit}`);
  }
}

/** False when nobody is there to hear it. */
function ring(call: string, word: string): boolean {
  try {
    const fd = openSync(join(call, 'bell'), constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(fd, `${word}\n`);
    } finally {
      closeSync(fd);
    }
    return true;
  } catch {
    return false;
  }
}

function readBounded(file: string): string | undefined {
  try {
    return statSync(file).size > MOST_BYTES ? undefined : readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function removeStale(calls: string, wallMs: number): void {
  for (const name of readdirSync(calls)) {
    const path = join(calls, name);
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs !== undefined && wallMs - mtimeMs > STALE_MS) rmSync(path, { recursive: true, force: true });
  }
}
