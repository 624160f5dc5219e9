import {
  type CapturePlan,
  type CaptureWords,
  type RuleTool,
  type RuleToolName,
  defaultCaptureWords,
  readCapturePlan,
} from '@weft/capture';
import { Command, Option } from 'commander';
import { CommandFault, type ExitCode, exitCodes } from '../exit-code.ts';
import { uncapturedWayOut } from '../capture-way-out.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';

interface ApplyOptions extends CaptureWords {
  readonly tool: 'auto' | RuleToolName;
  readonly prove: boolean;
}

const waysOut =
  'where a pod may not have NET_ADMIN, have agents of the nodes write the rules (cni.enabled), or set the annotation config.weft.dev/capture: None and call through the explicit proxy';

/** `weft capture`: the rules that lead traffic through a proxy, on this machine or in this network namespace. */
export function captureCommand(terminal: Terminal, finish: Finish): Command {
  const apply = planOptions(new Command('apply'))
    .description('write the rules in place of what is there; all of them or none')
    .addOption(
      new Option('--tool <name>', 'what writes the rules; auto takes nft, else legacy iptables')
        .choices(['auto', 'nft', 'iptables-legacy', 'iptables'])
        .default('auto'),
    )
    .option(
      '--prove',
      'call through the rules before the proxy listens; exit 1 and take them away when they do not work',
      false,
    )
    .addHelpText(
      'after',
      `
On a machine of your own name ports and users: --inbound all takes the port you are logged in by, too.

Examples:
  weft capture apply --inbound 8080 --outbound 1000        # one port, one user of a plain Linux host
  weft capture apply --inbound all --outbound all --prove  # all of a network namespace, as in a pod
  weft capture remove`,
    )
    .action(async (options: ApplyOptions) => finish(await applyRules(options, terminal)));
  const remove = new Command('remove')
    .description('take the rules away, whichever tool wrote them')
    .action(async () => finish(await removeRules(terminal)));
  const verify = planOptions(new Command('verify'))
    .description('say whether rules are there, and prove that what leaves is redirected; the proxy must not run')
    .action(async (options: CaptureWords) => finish(await verifyRules(planOf(options), terminal)));
  const provePlan = planOptions(new Command('prove'))
    .description(
      'prove that what leaves is redirected, whoever wrote the rules; the proxy must not run; needs no privilege',
    )
    .action(async (options: CaptureWords) => finish(await proveRules(planOf(options), terminal)));
  return new Command('capture')
    .description('redirect traffic to a proxy, by rules of the kernel (Linux; needs NET_ADMIN)')
    .addCommand(apply)
    .addCommand(remove)
    .addCommand(verify)
    .addCommand(provePlan);
}

function planOptions(command: Command): Command {
  return command
    .option('--inbound <ports>', 'ports whose arrivals are redirected: all, or such as 80,8000-8010', '')
    .option('--outbound <users>', 'users whose departures are redirected: all, or numbers such as 1000,1001', '')
    .option('--exclude-inbound-ports <ports>', 'arrivals that are left alone', '')
    .option('--exclude-outbound-ports <ports>', 'departures that are left alone', '')
    .option('--exclude-outbound-ranges <ranges>', 'addresses to which departures are left alone', '')
    .option(
      '--proxy-user <number>',
      'user the proxy runs as; its own calls are left alone',
      defaultCaptureWords.proxyUser,
    )
    .option('--inbound-port <port>', 'port of the proxy for what arrives', defaultCaptureWords.inboundPort)
    .option('--outbound-port <port>', 'port of the proxy for what leaves', defaultCaptureWords.outboundPort);
}

async function applyRules(options: ApplyOptions, terminal: Terminal): Promise<ExitCode> {
  const plan = planOf(options);
  const { findRuleTool } = await import('@weft/capture');
  const found = await findRuleTool(options.tool === 'auto' ? '' : options.tool);
  if (!found.ok) throw new CommandFault(exitCodes.unwell, `no rules can be written here: ${found.error}; ${waysOut}`);
  const tool = found.value;
  const applied = await tool.apply(plan);
  if (!applied.ok) throw new CommandFault(exitCodes.unwell, `${applied.error}; ${waysOut}`);
  for (const other of await othersWithRules(tool.name)) await other.remove();
  terminal.out(`rules written with ${tool.name}\n`);
  if (!options.prove) return exitCodes.ok;
  const proven = await prove(plan, terminal);
  // Rules that lead nowhere would cut the machine off; without them the next one to look sees what is wrong.
  if (!proven) await tool.remove();
  return proven ? exitCodes.ok : exitCodes.unwell;
}

async function removeRules(terminal: Terminal): Promise<ExitCode> {
  const { workingRuleTools } = await import('@weft/capture');
  const tools = await workingRuleTools();
  if (tools.length === 0)
    throw new CommandFault(exitCodes.unwell, 'neither nft nor iptables can be used here; run as root');
  for (const tool of tools) {
    const removed = await tool.remove();
    if (!removed.ok) throw new CommandFault(exitCodes.unwell, removed.error);
  }
  terminal.out('no rules of Weft are left\n');
  return exitCodes.ok;
}

async function verifyRules(plan: CapturePlan, terminal: Terminal): Promise<ExitCode> {
  const holders = await othersWithRules('');
  if (holders.length === 0) {
    terminal.out('no rules of Weft are here; write them with: weft capture apply\n');
    return exitCodes.unwell;
  }
  terminal.out(`rules written with ${holders.map(({ name }) => name).join(' and ')}\n`);
  return (await prove(plan, terminal)) ? exitCodes.ok : exitCodes.unwell;
}

async function proveRules(plan: CapturePlan, terminal: Terminal): Promise<ExitCode> {
  if (await prove(plan, terminal)) return exitCodes.ok;
  terminal.err(`weft: ${uncapturedWayOut}\n`);
  return exitCodes.unwell;
}

async function prove(plan: CapturePlan, terminal: Terminal): Promise<boolean> {
  const { openOriginalDestinations, proveOutbound } = await import('@weft/capture');
  const read = openOriginalDestinations();
  if (!read.ok) throw new CommandFault(exitCodes.unwell, read.error);
  const proof = await proveOutbound(plan, read.value);
  if (!proof.ok) throw new CommandFault(exitCodes.unwell, proof.error);
  const { shown, faults } = proof.value;
  for (const line of shown) terminal.out(`proven: ${line}\n`);
  for (const line of faults) terminal.err(`weft: ${line}\n`);
  return faults.length === 0;
}

async function othersWithRules(name: string): Promise<RuleTool[]> {
  const { workingRuleTools } = await import('@weft/capture');
  const holders: RuleTool[] = [];
  for (const tool of await workingRuleTools()) {
    if (tool.name === name) continue;
    const present = await tool.present();
    if (present.ok && present.value) holders.push(tool);
  }
  return holders;
}

function planOf(options: CaptureWords): CapturePlan {
  const plan = readCapturePlan(options);
  if (!plan.ok) throw new CommandFault(exitCodes.usage, plan.error);
  return plan.value;
}
