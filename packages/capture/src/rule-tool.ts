import { spawn } from 'node:child_process';
import { type Result, fail, ok } from '@weft/kernel';
import type { CapturePlan } from './capture-plan.ts';
import { iptablesChains, iptablesJumps, writeIptablesRemoval, writeIptablesRules } from './iptables-ruleset.ts';
import { nftTable, writeNftRemoval, writeNftRules } from './nft-ruleset.ts';

/** A program of the machine that writes rules. Each call answers with a sentence for a person when it could not. */
export interface RuleTool {
  readonly name: RuleToolName;
  /** Puts the rules of the plan in place of what was there before. */
  apply(plan: CapturePlan): Promise<Result<void, string>>;
  /** Leaves nothing of ours. Nothing to do is no fault. */
  remove(): Promise<Result<void, string>>;
  /** Whether rules of ours are there. */
  present(): Promise<Result<boolean, string>>;
}

export type RuleToolName = 'nft' | 'iptables-legacy' | 'iptables';

interface Outcome {
  /** -1: the program is not there. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Nothing here waits for anything but the lock of legacy iptables. */
const TOOL_TIMEOUT_MS = 10_000;
const LOCK_SECONDS = '5';

/**
 * The tool to use: nft where the kernel takes its rules, else legacy iptables, else the iptables there is. `wanted` names one
 * and tries no other. The error says what each of them answered.
 */
export async function findRuleTool(wanted: RuleToolName | ''): Promise<Result<RuleTool, string>> {
  const answers: string[] = [];
  for (const tool of [nftTool(), iptablesTool('iptables-legacy'), iptablesTool('iptables')]) {
    if (wanted !== '' && tool.name !== wanted) continue;
    const present = await tool.present();
    if (present.ok) return ok(tool);
    answers.push(present.error);
  }
  return fail(answers.join('; '));
}

/** Every tool that is there: what an earlier one wrote must not stay beside what another writes. */
export async function workingRuleTools(): Promise<readonly RuleTool[]> {
  const working: RuleTool[] = [];
  for (const tool of [nftTool(), iptablesTool('iptables-legacy'), iptablesTool('iptables')]) {
    if ((await tool.present()).ok) working.push(tool);
  }
  return working;
}

function nftTool(): RuleTool {
  const [family = '', table = ''] = nftTable.split(' ');
  return {
    name: 'nft',
    apply: (plan) => mustRun('nft', ['-f', '-'], writeNftRules(plan)),
    remove: () => mustRun('nft', ['-f', '-'], writeNftRemoval()),
    async present() {
      const listed = await run('nft', ['list', 'tables'], '');
      if (listed.code !== 0) return fail(refusal('nft', listed));
      return ok(listed.out.split('\n').includes(`table ${family} ${table}`));
    },
  };
}

function iptablesTool(name: 'iptables-legacy' | 'iptables'): RuleTool {
  const program = (family: 4 | 6): string => (family === 4 ? name : name.replace('ip', 'ip6'));
  const present = async (family: 4 | 6): Promise<Result<boolean, string>> => {
    const listed = await run(program(family), ['-w', LOCK_SECONDS, '-t', 'nat', '-S'], '');
    if (listed.code !== 0) return fail(refusal(program(family), listed));
    return ok(Object.values(iptablesChains).some((chain) => listed.out.includes(`-N ${chain}\n`)));
  };
  const jumpsOf = async (family: 4 | 6): Promise<{ there: (readonly string[])[]; missing: (readonly string[])[] }> => {
    const jumps: { there: (readonly string[])[]; missing: (readonly string[])[] } = { there: [], missing: [] };
    for (const jump of iptablesJumps) {
      const { code } = await run(program(family), ['-w', LOCK_SECONDS, '-t', 'nat', '-C', ...jump], '');
      jumps[code === 0 ? 'there' : 'missing'].push(jump);
    }
    return jumps;
  };
  const restore = (family: 4 | 6, script: string): Promise<Result<void, string>> =>
    mustRun(`${program(family)}-restore`, ['-w', LOCK_SECONDS, '--noflush'], script);
  return {
    name,
    async apply(plan) {
      // A machine without IPv6 has no such table; there is nothing to redirect then.
      for (const family of [4, 6] as const) {
        if (family === 6 && !(await present(6)).ok) continue;
        const { missing } = await jumpsOf(family);
        const written = await restore(family, writeIptablesRules(plan, family, missing));
        if (!written.ok) return written;
      }
      return ok(undefined);
    },
    async remove() {
      for (const family of [4, 6] as const) {
        const there = await present(family);
        if (!there.ok || !there.value) continue;
        const removed = await restore(family, writeIptablesRemoval((await jumpsOf(family)).there));
        if (!removed.ok) return removed;
      }
      return ok(undefined);
    },
    async present() {
      const first = await present(4);
      if (!first.ok || first.value) return first;
      const second = await present(6);
      return ok(second.ok && second.value);
    },
  };
}

async function mustRun(program: string, args: readonly string[], input: string): Promise<Result<void, string>> {
  const outcome = await run(program, args, input);
  return outcome.code === 0 ? ok(undefined) : fail(refusal(program, outcome));
}

function refusal(program: string, { code, err }: Outcome): string {
  if (code === -1) return `${program} is not installed`;
  const said = err.trim().split('\n')[0] ?? '';
  if (/not permitted|permission denied/i.test(err))
    return `${program}: ${said}; it needs root or the capability NET_ADMIN`;
  return `${program}: ${said === '' ? `ended with ${code}` : said}`;
}

function run(program: string, args: readonly string[], input: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: TOOL_TIMEOUT_MS });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (err += text));
    child.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ code: error.code === 'ENOENT' ? -1 : 1, out, err: error.message }),
    );
    child.on('close', (code) => resolve({ code: code ?? 1, out, err }));
    // A program that ends without reading closes the pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
