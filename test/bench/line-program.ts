/** A program of the bench that is spoken to by lines of JSON: one command, one reply, in order. */
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { findProgram } from './workbench.ts';
import type { Running, StartOptions, Workbench } from './workbench.ts';

/** A program for Node. `behind`: the other programs of the bench go first, for load whose own time does not count. */
export function nodeProgram(file: string, behind: boolean): Pick<StartOptions, 'command' | 'args'> {
  const nice = behind ? findProgram('nice') : undefined;
  if (nice === undefined) return { command: process.execPath, args: [file] };
  return { command: nice, args: ['-n', '15', process.execPath, file] };
}

/** The side that asks. */
export class LineProgram {
  readonly running: Running;
  private readonly reader: Interface;
  private readonly lines: AsyncIterator<string>;

  constructor(workbench: Workbench, options: Omit<StartOptions, 'piped'>) {
    this.running = workbench.start({ ...options, piped: true });
    this.reader = createInterface({ input: this.running.child.stdout! });
    this.lines = this.reader[Symbol.asyncIterator]();
  }

  /** Rejects when the program says `failure`, or has ended. */
  async ask(command: object): Promise<unknown> {
    this.running.child.stdin!.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.lines.next();
    if (done === true) throw new Error(`${this.running.child.spawnargs.slice(-2).join(' ')} has ended`);
    const reply = JSON.parse(value) as { failure?: string };
    if (reply.failure !== undefined) throw new Error(reply.failure);
    return reply;
  }

  async stop(): Promise<void> {
    this.reader.close();
    await this.running.stop();
  }
}

/** The side that answers: until its standard input ends. */
export async function answerLines<C>(obey: (command: C) => Promise<object>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    let reply: object;
    try {
      reply = await obey(JSON.parse(line) as C);
    } catch (error) {
      reply = { failure: error instanceof Error ? error.message : String(error) };
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}
