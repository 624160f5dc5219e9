/** Programs in network namespaces, each as a user of its own, and what they said. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Ends what hangs. */
const PATIENCE_MS = 60_000;
const tools = ['ip', 'nft', 'curl', 'setpriv'].filter((tool) => spawnSync('which', [tool]).status !== 0);

/** Why this machine cannot run them; false when it can. */
export const namespaceLack: string | false =
  process.getuid?.() !== 0
    ? 'makes network namespaces; run it as root'
    : tools.length > 0
      ? `needs ${tools.join(', ')}; install iproute2, nftables, curl and util-linux`
      : !makesNamespaces() && 'this machine makes no network namespaces with rules of nft; give it CAP_SYS_ADMIN';

/** Why it cannot run those that need both families. */
export const familyLack: string | false = !existsSync('/proc/sys/net/ipv6') && 'the kernel of this machine has no IPv6';

export function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

export class NamespacePrograms {
  /** Their home, removed at the end. */
  readonly folder: string;
  private readonly children: ChildProcess[];
  private said: string;

  constructor(word: string) {
    this.folder = mkdtempSync(join(tmpdir(), `weft-${word}-`));
    this.children = [];
    this.said = '';
  }

  /** All that was printed so far, for whoever wonders why. */
  get output(): string {
    return this.said;
  }

  /** Starts Node with these arguments. */
  start(namespace: string, user: number, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
    const child = spawn('ip', [...inside(namespace, user), process.execPath, ...args], {
      env: { ...process.env, HOME: this.folder, NODE_DISABLE_COMPILE_CACHE: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => void (this.said += `${namespace}: ${chunk.toString()}`));
    }
    this.children.push(child);
  }

  /** What a command printed; how it ended, when that was not well. */
  run(namespace: string, user: number, ...command: readonly string[]): string {
    const { stdout, stderr, status } = spawnSync('ip', [...inside(namespace, user), ...command], {
      encoding: 'utf8',
      timeout: PATIENCE_MS,
    });
    return status === 0 ? stdout : `ended with ${status}: ${stdout}${stderr}`;
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (!holds()) {
      assert.ok(performance.now() < deadlineMs, `${what}\n${this.said}`);
      await new Promise((resolve) => void setTimeout(resolve, 100));
    }
  }

  /** Ends them all, and the namespaces with them. */
  end(namespaces: readonly string[]): void {
    for (const child of this.children) child.kill('SIGKILL');
    for (const name of namespaces) spawnSync('ip', ['netns', 'del', name]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Not every root may: in a container it needs more capabilities than it has by default, and the kernel needs nf_tables. */
function makesNamespaces(): boolean {
  const name = `weft-e2e-try-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', name]).status === 0;
  const rules = spawnSync('ip', ['netns', 'exec', name, 'nft', 'list', 'ruleset']).status === 0;
  if (made) spawnSync('ip', ['netns', 'del', name]);
  return made && rules;
}

function inside(namespace: string, user: number): string[] {
  return ['netns', 'exec', namespace, 'setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'];
}
