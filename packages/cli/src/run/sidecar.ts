import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { CommandFault, exitCodes } from '../exit-code.ts';
import type { ReadyLine } from '../proxy/ready-line.ts';
import { proxyEnvironment, proxyV8Flags } from '../node-start.ts';

export interface SidecarOptions {
  /** Flags of `weft proxy`, without those this file adds. */
  readonly flags: readonly string[];
  readonly token: string;
  /** Gets what the sidecar says, a line for a person; level `crash` for what is no line of its log. */
  report(level: string, message: string): void;
}

/** The sidecar of one program, a process of its own: neither's load or crash is the other's. */
export interface Sidecar {
  readonly ready: ReadyLine;
  /** It was asked to drain or to stop. */
  readonly leaving: boolean;
  /** Resolves when the process has ended, with its last words if it did so unasked. */
  readonly ended: Promise<string>;
  /** The program to end should this process die: its sidecar notices, and nobody else is left who could. */
  guard(pid: number): void;
  /** Leaves the mesh; resolves when running requests are done. The proxy for outgoing requests has ended then too. */
  drain(): Promise<void>;
  /** Ends the process; resolves when it is gone. */
  stop(): Promise<void>;
}

const STOP_PATIENCE_MS = 2000;

/**
 * Starts a sidecar and resolves when it is ready. Throws a `CommandFault` with what the sidecar said when it ends before.
 * The token goes through the environment: arguments can be read by every user of the machine.
 */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const args = [...proxyV8Flags, ...proxyProgram(process.argv[1]!), ...options.flags, '--ready-fd', '3'];
  const child = spawn(process.execPath, args, {
    // Away from the terminal's Ctrl-C: it ends after the program, not with it. Its channel ends it when this process dies.
    detached: true,
    env: sidecarEnvironment(process.env, options.token),
    // Access lines, when asked for, go where they do not mix with what the program prints.
    stdio: ['ignore', 2, 'pipe', 'pipe', 'ipc'],
  });
  let lastError = '';
  createInterface({ input: child.stderr as Readable }).on('line', (line) => {
    const { level, message } = readLogLine(line);
    // Of a crash the first line that names an error says what happened; stack and version stand around it.
    if (level === 'error') lastError = message;
    else if (level === 'crash' && lastError === '' && /error/i.test(message)) lastError = message.trim();
    options.report(level, message);
  });
  // With the end of its output, so that its last words have been read.
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(lastError === '' ? `ended with ${signal ?? code}` : lastError));
  });
  const ready = await Promise.race([firstLine(child.stdio[3] as Readable), ended.then(() => undefined)]);
  if (ready === undefined) throw new CommandFault(exitCodes.unwell, await ended);
  return new SidecarProcess(child, JSON.parse(ready) as ReadyLine, ended);
}

class SidecarProcess implements Sidecar {
  readonly ready: ReadyLine;
  readonly ended: Promise<string>;
  leaving: boolean;
  private readonly child: ChildProcess;

  constructor(child: ChildProcess, ready: ReadyLine, ended: Promise<string>) {
    this.child = child;
    this.ready = ready;
    this.ended = ended;
    this.leaving = false;
  }

  guard(pid: number): void {
    if (this.child.connected) this.child.send({ guard: pid });
  }

  async drain(): Promise<void> {
    this.leaving = true;
    if (!this.child.connected) return;
    const drained = new Promise<void>((resolve) => {
      this.child.on('message', (message) => {
        if (message === 'drained') resolve();
      });
    });
    this.child.send('drain');
    await Promise.race([drained, this.ended]);
  }

  async stop(): Promise<void> {
    this.leaving = true;
    this.child.kill('SIGTERM');
    const patience = setTimeout(() => this.child.kill('SIGKILL'), STOP_PATIENCE_MS);
    await this.ended;
    clearTimeout(patience);
  }
}

/** The sidecar's own bundle when this is a bundle: it starts faster and is smaller. */
function proxyProgram(program: string): string[] {
  const bundle = join(dirname(program), 'weft-proxy.mjs');
  return program.endsWith('.mjs') && existsSync(bundle) ? [bundle] : [program, 'proxy'];
}

/** Settings of this process are given as flags; a variable meant for another proxy is not to reach this one. */
export function sidecarEnvironment(env: NodeJS.ProcessEnv, token: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('WEFT_'));
  return { ...proxyEnvironment, ...Object.fromEntries(kept), ...(token === '' ? {} : { WEFT_TOKEN: token }) };
}

/** A line of the log, or whatever else a dying process prints. */
function readLogLine(line: string): { level: string; message: string } {
  try {
    const { level, message } = JSON.parse(line) as { level?: unknown; message?: unknown };
    if (typeof level === 'string' && typeof message === 'string') return { level, message };
  } catch {
    // Not a line of the log.
  }
  return { level: 'crash', message: line };
}

function firstLine(stream: Readable): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: stream });
    lines.once('line', resolve);
    lines.once('close', () => resolve(undefined));
  });
}
