import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ProcessSpec {
  /** Names the log file too. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Called with each line of standard output, which goes to the log file otherwise. */
  readonly onLine?: (line: string) => void;
}

/** One child in a process group of its own. */
export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly alive: boolean;
  /** Resolves, never rejects, when it has ended. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** What it wrote to standard error, the last lines. */
  lastWords(): string;
  write(line: string): void;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const guardProgram = fileURLToPath(new URL('../services/guard.mjs', import.meta.url));
const LAST_WORDS = 12;
const HURRY_MS = 300;
const KILL_MS = 2_000;
/** Settings of the person's shell that would send the demo's processes elsewhere. */
const FOREIGN_SETTINGS = /^(WEFT_.*|(https?|no|all)_proxy|NODE_USE_ENV_PROXY|NODE_OPTIONS|NODE_EXTRA_CA_CERTS)$/i;

/**
 * Starts processes and answers for their end. Each is the leader of a process group of its own, so that a Ctrl-C in the
 * terminal reaches only this process, which then ends them in order. A guard process holds one end of a pipe and ends
 * whatever is left when this process dies without a word.
 */
export class ProcessSupervisor {
  /** Everything the demo writes is below it. */
  readonly folder: string;
  /** Of every process: the person's own, without what would send it elsewhere. */
  readonly environment: Readonly<Record<string, string>>;
  private readonly guard: ChildProcess;
  private readonly running: Set<ChildRecord>;
  private stopping: boolean;

  constructor(folder: string, keepsFolder: boolean) {
    this.folder = folder;
    // A cache that is empty when a dozen processes start at once saves none of them anything, and each writes some hundred files
    // of it, all in one folder: on a busy machine they stood still for half a minute, without answering anybody.
    this.environment = { ...ownEnvironment(), NODE_DISABLE_COMPILE_CACHE: '1' };
    this.running = new Set();
    this.stopping = false;
    mkdirSync(join(folder, 'logs'), { recursive: true, mode: 0o700 });
    this.guard = spawn(process.execPath, [guardProgram], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.guard.stdin!.on('error', () => {});
    if (!keepsFolder) this.tellGuard(`folder ${folder}`);
  }

  start(spec: ProcessSpec): ManagedProcess {
    if (this.stopping) throw new Error('the demo is ending');
    const logFile = join(this.folder, 'logs', `${spec.name}.log`);
    const log = openSync(logFile, 'a', 0o600);
    const child = spawn(spec.command, spec.args, {
      detached: true,
      env: { ...this.environment, ...spec.environment },
      stdio: ['pipe', spec.onLine === undefined ? log : 'pipe', log],
    });
    closeSync(log);
    const record = new ChildRecord(spec.name, child, logFile);
    if (child.pid !== undefined) this.tellGuard(`+${child.pid}`);
    this.running.add(record);
    void record.ended.then(() => {
      this.running.delete(record);
      if (child.pid !== undefined) this.tellGuard(`-${child.pid}`);
    });
    if (spec.onLine !== undefined) createInterface({ input: child.stdout! }).on('line', spec.onLine);
    return record;
  }

  /** Ends all. Removes the folder unless it is kept. */
  async stopAll(keepsFolder: boolean): Promise<void> {
    this.stopping = true;
    const ending = [...this.running].map((record) => record.stop(KILL_MS));
    // A second signal says that nobody is left to drain for.
    const hurry = setTimeout(() => {
      for (const record of this.running) record.signal('SIGTERM');
    }, HURRY_MS);
    await Promise.all(ending);
    clearTimeout(hurry);
    if (!keepsFolder) rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    this.tellGuard('bye');
    const gone = new Promise((resolve) => this.guard.once('exit', resolve));
    this.guard.stdin!.end();
    await gone;
  }

  private tellGuard(line: string): void {
    if (this.guard.stdin!.writable) this.guard.stdin!.write(`${line}\n`);
  }
}

class ChildRecord implements ManagedProcess {
  readonly name: string;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  private readonly child: ChildProcess;
  private readonly logFile: string;
  private failure: string;

  constructor(name: string, child: ChildProcess, logFile: string) {
    this.name = name;
    this.child = child;
    this.logFile = logFile;
    this.failure = '';
    child.stdin?.on('error', () => {});
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', (error) => {
        this.failure = error.message;
        if (child.pid === undefined) resolve({ code: null, signal: null });
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get alive(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  lastWords(): string {
    if (this.failure !== '') return this.failure;
    try {
      return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-LAST_WORDS).join('\n');
    } catch (error) {
      return `its log is not there: ${(error as Error).message}`;
    }
  }

  write(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.alive) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // It has just ended.
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
  }
}

function ownEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !FOREIGN_SETTINGS.test(name)) environment[name] = value;
  }
  return environment;
}
