import { TimerWheel, systemClock, systemRandom } from '@weft/kernel';
import { Command, Option } from 'commander';
import { accessOf } from '../cluster/cluster-access.ts';
import { DeferredLog } from '../deferred-log.ts';
import { followEndSignals } from '../end-signals.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';

interface AgentOptions {
  readonly node: string;
  readonly namespace: string;
  readonly daemonSet: string;
  readonly kubeconfig: string;
  readonly binDir: string;
  readonly confDir: string;
  readonly confFile: string;
  readonly runDir: string;
  readonly tools: string;
  readonly excludeNamespaces: string;
  readonly evict: boolean;
  readonly taint: string;
  readonly host: string;
  readonly port: string;
  readonly logLevel: string;
}

/** `weft cni`: what writes the rules of pods from outside of them, so that they need no privilege. */
export function cniCommand(terminal: Terminal, finish: Finish): Command {
  const agent = new Command('agent')
    .description('be the agent of this node: put the plugin into its network, write the rules of pods as they start')
    .addOption(new Option('--node <name>', 'of this node').env('WEFT_NODE').default(''))
    .option('--namespace <name>', 'that the agent runs in (default: as its service account says)', '')
    .option('--daemon-set <name>', 'whose end takes the plugin off the node; empty: the end of this process does', '')
    .option('--kubeconfig <path>', 'how to reach the cluster (default: as a pod of it)', '')
    .option('--bin-dir <folder>', 'programs of the network on the node', '/opt/cni/bin')
    .option('--conf-dir <folder>', 'configurations of networks on the node', '/etc/cni/net.d')
    .option('--conf-file <name>', 'the one to stand in (default: the first, which runtimes take)', '')
    .option('--run-dir <folder>', 'shared by plugin and agent', '/run/weft-cni')
    .option('--tools <folder>', 'what goes to the node: busybox, nft, ld.so and libraries', '/weft/node')
    .option('--exclude-namespaces <names>', 'whose pods start without an agent, beside its own', 'kube-system')
    .option('--no-evict', 'leave pods that started uncaptured, and only say so in an event')
    .option('--taint <key>', 'of nodes that are not ready for pods; taken off when they are', '')
    .option('--host <address>', 'of /ready, /live and /metrics', '0.0.0.0')
    .option('--port <port>', 'of the same', '15024')
    .addOption(
      new Option('--log-level <level>', 'on standard error')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .action(async (options: AgentOptions) => {
      await runAgent(options, terminal);
      finish(exitCodes.ok);
    });
  return new Command('cni')
    .description('capture of pods by the network of their node (Linux; for the DaemonSet of the chart)')
    .addCommand(agent);
}

async function runAgent(options: AgentOptions, terminal: Terminal): Promise<void> {
  if (options.node === '') throw new CommandFault(exitCodes.usage, '--node is empty: give the name of this node');
  const port = Number(options.port);
  if (!/^[0-9]{1,5}$/.test(options.port) || port > 65_535) {
    throw new CommandFault(exitCodes.usage, `--port "${options.port}": expected a port`);
  }
  const excluded = options.excludeNamespaces.split(',').filter((name) => name !== '');
  const misnamed = excluded.find((name) => !/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name));
  if (misnamed !== undefined) {
    throw new CommandFault(exitCodes.usage, `--exclude-namespaces "${misnamed}": expected names of namespaces`);
  }
  for (const folder of [options.binDir, options.confDir, options.runDir]) {
    // They become part of a script on the node.
    if (!/^\/[A-Za-z0-9._/-]{1,100}$/.test(folder)) {
      throw new CommandFault(
        exitCodes.usage,
        `"${folder.slice(0, 120)}": expected an absolute path of plain characters`,
      );
    }
  }
  const log = new DeferredLog(options.logLevel, { weft: 'cni', node: options.node });
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  followEndSignals({ first: () => end(), second: () => process.exit(exitCodes.ok) });
  const access = await accessOf({ kubeconfig: options.kubeconfig, context: '' });
  const [{ startNodeAgent }, { KubeClient }] = await Promise.all([import('@weft/cni'), import('@weft/kube')]);
  await log.open();
  const client = new KubeClient(access);
  const wheel = new TimerWheel(systemClock);
  wheel.start();
  const namespace = options.namespace || access.namespace;
  const started = await startNodeAgent({
    client,
    clock: systemClock,
    wheel,
    random: systemRandom,
    log,
    node: options.node,
    namespace,
    daemonSet: options.daemonSet,
    programFolder: options.binDir,
    configurationFolder: options.confDir,
    configurationFile: options.confFile,
    callFolder: options.runDir,
    toolsSource: options.tools,
    excludedNamespaces: Array.from(new Set([namespace, ...excluded])),
    evicts: options.evict,
    taint: options.taint,
    host: options.host,
    port,
  });
  if (!started.ok) throw new CommandFault(exitCodes.unwell, started.error);
  terminal.out(`Agent of node ${options.node}, on port ${started.value.port}\n`);
  await ended;
  await started.value.stop();
  await client.close();
  wheel.stop();
}
