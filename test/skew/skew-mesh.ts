/** A mesh whose parts may be of different versions: a control plane, two instances of `orders` and a caller, all processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Weft } from './older-weft.ts';

export interface Seen {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  /** What the route that was in force last put into the response. */
  readonly stage: string;
  readonly names: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
}

const PATIENCE_MS = 60_000;
/** Above what the caller takes between two lines. */
const POLL_MS = 150;
const recorder = fileURLToPath(new URL('record-program.ts', import.meta.url));
const answerProgram = fileURLToPath(new URL('answer-program.ts', import.meta.url));
const callProgram = fileURLToPath(new URL('call-program.ts', import.meta.url));

class Part {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  private text = '';
  private readonly errors: string[] = [];

  constructor({ bin, root }: Weft, args: readonly string[], folder: string) {
    const env = {
      ...process.env,
      WEFT_CONTROL_SOCKET: join(folder, 'control.sock'),
      TMPDIR: folder,
      SKEW_ROOT: root,
      SKEW_FILE: join(folder, 'sync.log'),
      NODE_OPTIONS: `--import ${recorder}`,
    };
    this.child = spawn(process.execPath, [bin, ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout!.setEncoding('utf8').on('data', (part: string) => void (this.text += part));
    this.child.stderr!.setEncoding('utf8').on('data', (part: string) => void this.errors.push(part));
    this.ended = new Promise((resolve) => void this.child.once('close', () => resolve()));
  }

  get output(): string {
    return this.text;
  }

  get complaints(): string {
    return this.errors.join('').slice(-2_000);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGTERM');
    await this.ended;
  }
}

export class SkewMesh {
  readonly folder: string;
  private readonly parts: Map<string, Part>;
  private readonly ports: Map<string, number>;
  private controlPort: number;
  /** Of callers that have ended. */
  private before: { sent: number; failed: number; faults: string[] };

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'weft-skew-'));
    this.parts = new Map();
    this.ports = new Map();
    this.controlPort = 0;
    this.before = { sent: 0, failed: 0, faults: [] };
    mkdirSync(join(this.folder, 'mesh'));
  }

  /** Every response says the stage from then on. */
  configure(stage: string): void {
    writeFileSync(
      join(this.folder, 'mesh', 'shop.yaml'),
      `apiVersion: v1
kind: Service
metadata: {name: orders}
spec: {selector: {app: orders}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders}
spec:
  parentRefs: [{group: '', kind: Service, name: orders}]
  rules:
    - backendRefs: [{name: orders, port: 80}]
      filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier: {set: [{name: x-stage, value: '${stage}'}]}
`,
    );
  }

  async startControl(weft: Weft): Promise<void> {
    if (this.controlPort === 0) {
      this.controlPort = await freePort();
      this.configure('one');
    }
    const args = ['control', '--config', join(this.folder, 'mesh'), '--state', join(this.folder, 'state')];
    this.parts.set(
      'control',
      new Part(weft, [...args, '--port', String(this.controlPort), '--metrics-port', '-1'], this.folder),
    );
    await this.until('the control plane listens', () => existsSync(join(this.folder, 'control.sock')));
  }

  async startInstance(weft: Weft, name: string): Promise<void> {
    const port = this.ports.get(name) ?? (await freePort());
    this.ports.set(name, port);
    const args = [
      'run',
      '--service',
      'orders',
      '--port',
      `http=${port}`,
      '--state',
      this.stateOf(name),
      '--drain-deadline',
      '10s',
    ];
    const part = new Part(weft, [...args, '--', process.execPath, answerProgram, String(port), name], this.folder);
    this.parts.set(name, part);
    await this.until(`${name} listens`, () => part.output.includes('listening'));
  }

  async startCaller(weft: Weft): Promise<void> {
    const args = ['run', '--service', 'web', '--state', this.stateOf('web'), '--', process.execPath, callProgram];
    this.parts.set('caller', new Part(weft, args, this.folder));
    await this.until('the caller is answered', () => this.seen.answered > 0);
  }

  /** Ends a part as an upgrade does. */
  async stop(name: string): Promise<void> {
    const part = this.parts.get(name);
    if (part === undefined) return;
    if (name === 'caller') await this.hush();
    await part.stop();
    if (name === 'caller') {
      const { sent, failed, faults } = this.seen;
      this.before = {
        sent: this.before.sent + sent,
        failed: this.before.failed + failed,
        faults: [...this.before.faults, ...faults],
      };
    }
    if (name === 'control') rmSync(join(this.folder, 'control.sock'), { force: true });
    this.parts.delete(name);
  }

  /** Of the caller that runs now. */
  get seen(): Seen {
    const lines = (this.parts.get('caller')?.output ?? '').split('\n').filter((line) => line.startsWith('{"sent"'));
    const last = lines.at(-1);
    return last === undefined
      ? { sent: 0, answered: 0, failed: 0, stage: '', names: {}, faults: [] }
      : (JSON.parse(last) as Seen);
  }

  /** Of all callers so far. */
  get total(): { readonly sent: number; readonly failed: number; readonly faults: readonly string[] } {
    const { sent, failed, faults } = this.seen;
    return {
      sent: this.before.sent + sent,
      failed: this.before.failed + failed,
      faults: [...this.before.faults, ...faults],
    };
  }

  /** Configuration of this stage is what calls meet; milliseconds until then. */
  async reaches(stage: string): Promise<number> {
    const startMs = performance.now();
    this.configure(stage);
    await this.until(`stage ${stage} is in force`, () => this.seen.stage === stage);
    return performance.now() - startMs;
  }

  /** Calls go on for so long, and instances named here answer some. */
  async carries(ms: number, names: readonly string[]): Promise<void> {
    const before = this.seen.names;
    await sleep(ms);
    await this.until(`calls reach ${names.join(' and ')}`, () =>
      names.every((name) => (this.seen.names[name] ?? 0) > (before[name] ?? 0)),
    );
  }

  /** Messages of Sync so far, `server` or `client` and base64. */
  get recording(): string {
    return join(this.folder, 'sync.log');
  }

  async end(): Promise<void> {
    for (const name of ['caller', ...[...this.parts.keys()].filter((part) => part !== 'control'), 'control'])
      await this.stop(name);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The caller has no call under way, and makes none. */
  private async hush(): Promise<void> {
    const file = join(this.folder, 'quiet');
    writeFileSync(file, '');
    let before = -1;
    await this.until('the caller is quiet', () => {
      const { sent, answered, failed } = this.seen;
      const isQuiet = sent === before && answered + failed === sent;
      before = sent;
      return isQuiet;
    });
    rmSync(file);
  }

  private stateOf(name: string): string {
    return join(this.folder, `state-${name}`);
  }

  private async until(what: string, holds: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (!holds()) {
      if (performance.now() > deadlineMs) {
        const complaints = Array.from(this.parts, ([name, part]) => `${name}: ${part.complaints}`).join('\n');
        throw new Error(`${what}: not within a minute\n${complaints}`);
      }
      await sleep(POLL_MS);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
}
