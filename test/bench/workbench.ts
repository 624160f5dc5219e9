/**
 * The place where subjects run: processes pinned to processors, in a folder of their own, all gone at the end whatever
 * happens.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { accessSync, chmodSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Generator and upstream have processor 0, what is measured has processor 1; with one processor they share. */
export type Processor = 'load' | 'subject';

export interface StartOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly processor: Processor;
  readonly environment?: Readonly<Record<string, string>>;
  /** Standard input and output as pipes, for programs of our own that are spoken to. */
  readonly piped?: boolean;
}

export interface WorkbenchOptions {
  /** Ahead of the rest of the machine and on processors of their own, as far as we may (true). What is only counted needs neither. */
  readonly privileged?: boolean;
}

export interface Running {
  /** Also the number of its process group. */
  readonly pid: number;
  readonly child: ChildProcess;
  /** What it says, unless it is piped. */
  readonly log: string;
  /** When it was started, on the clock of `performance.now`. */
  readonly startedMs: number;
  stop(): Promise<void>;
}

export class Workbench {
  readonly folder: string;
  private readonly running: Set<Running>;
  private folders: number;
  private readonly pin: string | undefined;
  private readonly nice: readonly string[];

  constructor({ privileged = true }: WorkbenchOptions = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));
    // Workers that give up root must reach their files.
    chmodSync(this.folder, 0o755);
    this.running = new Set();
    this.folders = 0;
    this.pin = privileged && availableParallelism() > 1 ? findProgram('taskset') : undefined;
    this.nice = privileged ? ahead() : [];
    if (this.isAhead) raiseSession(process.pid);
    // We ourselves stay away from the measured processor; what we start is pinned by itself.
    if (this.pin !== undefined) spawnSync(this.pin, ['-cp', '0', String(process.pid)]);
    // Groups of their own do not get the terminal's Ctrl-C, and must not outlive us on any way out.
    process.once('exit', () => this.killAll());
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      process.once(signal, () => process.exit(code));
    }
  }

  get pinned(): boolean {
    return this.pin !== undefined;
  }

  /** What stands before a command to run it on its processor, ahead of whatever else the machine does. */
  private prefix(processor: Processor): readonly string[] {
    const pin = this.pin === undefined ? [] : [this.pin, '-c', processor === 'load' ? '0' : '1'];
    return [...this.nice, ...pin];
  }

  get isAhead(): boolean {
    return this.nice.length > 0;
  }

  /** A new folder for one subject's files. */
  makeFolder(name: string, mode = 0o755): string {
    this.folders += 1;
    const folder = join(this.folder, `${String(this.folders).padStart(3, '0')}-${name}`);
    mkdirSync(folder, { mode });
    return folder;
  }

  start(options: StartOptions): Running {
    const log = join(this.folder, `${this.running.size}-${Date.now().toString(36)}.log`);
    writeFileSync(log, '');
    const [command, ...args] = [...this.prefix(options.processor), options.command, ...options.args] as [
      string,
      ...string[],
    ];
    const startedMs = performance.now();
    // A shell puts both outputs into one file, and then becomes the program.
    const child =
      options.piped === true
        ? spawn(command, args, { detached: true, stdio: ['pipe', 'pipe', 'inherit'], env: environmentOf(options) })
        : spawn('/bin/sh', ['-c', 'exec "$@" >>"$0" 2>&1', log, command, ...args], {
            detached: true,
            stdio: 'ignore',
            env: environmentOf(options),
          });
    const pid = child.pid;
    if (pid === undefined) throw new Error(`cannot start ${options.command}`);
    if (this.isAhead) raiseSession(pid);
    const exited = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
    const running: Running = {
      pid,
      child,
      log,
      startedMs,
      stop: async () => {
        this.running.delete(running);
        killGroup(pid, 'SIGTERM');
        const timer = setTimeout(() => killGroup(pid, 'SIGKILL'), 2_000);
        if (child.exitCode === null && child.signalCode === null) await exited;
        clearTimeout(timer);
        // Workers of a master that has ended.
        killGroup(pid, 'SIGKILL');
      },
    };
    this.running.add(running);
    return running;
  }

  /** Waits until something listens. Fails with the end of the program's log when it has ended instead. */
  async untilListening(running: Running, port: number, mostMs = 10_000): Promise<void> {
    const endMs = performance.now() + mostMs;
    while (!(await canConnect(port))) {
      const { exitCode, signalCode } = running.child;
      if (exitCode !== null || signalCode !== null || performance.now() > endMs) {
        const how = performance.now() > endMs ? 'does not listen' : `ended (${exitCode ?? signalCode})`;
        throw new Error(`${running.child.spawnargs.slice(3).join(' ')} ${how}: ${endOf(running.log)}`);
      }
      await sleep(1);
    }
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.running].map((running) => running.stop()));
  }

  private killAll(): void {
    for (const { pid } of this.running) killGroup(pid, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The path of a program, or undefined. `/usr/sbin` is looked into as well: daemons live there. */
export function findProgram(name: string): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return undefined;
}

/** First line of what a program says about itself, for the report. */
export function versionLine(command: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 5_000 });
  return (
    `${stdout}${stderr}`
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? ''
  );
}

export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** `nice` with a higher priority, where we may; the same for everything that takes part. */
function ahead(): readonly string[] {
  const nice = findProgram('nice');
  if (nice === undefined) return [];
  const command = [nice, '-n', '-20'];
  const { status, stderr } = spawnSync(nice, ['-n', '-20', 'true'], { encoding: 'utf8' });
  return status === 0 && stderr === '' ? command : [];
}

/** Where the kernel schedules by session (autogroup), priorities within one mean nothing to the others. */
function raiseSession(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, '-20');
  } catch {
    // Not such a kernel.
  }
}

function environmentOf(options: StartOptions): NodeJS.ProcessEnv {
  return { ...process.env, ...options.environment };
}

function killGroup(group: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-group, signal);
  } catch {
    // It has ended.
  }
}

function endOf(log: string): string {
  return readFileSync(log, 'utf8').trim().split('\n').slice(-5).join(' | ') || 'it said nothing';
}
