import type { InstallValues, KubeObject, ObjectOutcome } from '@weft/kube';
import { Command, Option } from 'commander';
import { type ClusterFlags, useClient, withClusterFlags } from '../cluster/cluster-access.ts';
import { CommandFault, exitCodes } from '../exit-code.ts';
import type { Terminal } from '../output/terminal.ts';
import { weftVersion } from '../weft-version.ts';
import type { Finish } from './finish.ts';

interface InstallOptions extends ClusterFlags {
  readonly dryRun: boolean;
  readonly crds: boolean;
  readonly image: string;
  readonly replicas: string;
  readonly trustDomain: string;
  readonly capture: string;
  readonly cni: boolean;
  readonly webhooks: boolean;
  readonly gatewayClass: string;
}

/** `weft install`: what the charts make, without helm. */
export function installCommand(terminal: Terminal, finish: Finish): Command {
  return withClusterFlags(new Command('install'))
    .description('install definitions and control plane in a Kubernetes cluster: the same objects as the charts')
    .option('--dry-run', 'print the objects as YAML and change nothing', false)
    .option('--no-crds', 'leave the definitions of the kinds as they are')
    .option('--image <reference>', 'image of control plane and sidecars', `weft:${weftVersion}`)
    .option('--replicas <n>', 'control planes', '2')
    .option('--trust-domain <name>', 'in place of the one that the Mesh object says', '')
    .addOption(
      new Option('--capture <how>', 'how injected pods reach their sidecar: by rules, or as their HTTP proxy')
        .choices(['Redirect', 'None'])
        .default('Redirect'),
    )
    .option('--cni', 'agents of nodes write the rules of pods, which then need no privilege', false)
    .option('--no-webhooks', 'no injection and no validation at admission')
    .option('--gateway-class <name>', 'GatewayClass to make where Gateway API is installed', 'weft')
    .addHelpText(
      'after',
      `
Values beyond these are the chart's: helm install weft deploy/helm/weft -n weft-system --create-namespace.

Examples:
  weft install --dry-run --image registry.example/weft:0.1.0 > weft.yaml
  weft install --image registry.example/weft:0.1.0 && weft check --cluster`,
    )
    .action(async (options: InstallOptions) => finish(await install(options, terminal)));
}

async function install(options: InstallOptions, terminal: Terminal) {
  const { applyObjects, customResources, discover, installObjects } = await import('@weft/kube');
  const values = await valuesOf(options);
  const definitions = options.crds ? ([...customResources().values()] as KubeObject[]) : [];
  if (options.dryRun) {
    const { stringify } = await import('yaml');
    const texts = [...definitions, ...installObjects(values)].map((object) =>
      // kubectl reads YAML 1.1, to which an unquoted Off is false.
      stringify(object, { version: '1.1', aliasDuplicateObjects: false }),
    );
    terminal.out(texts.join('---\n'));
    return exitCodes.ok;
  }
  return useClient(options, async (client) => {
    const wanted = [{ group: 'gateway.networking.k8s.io', kind: 'GatewayClass', versions: ['v1'] }];
    const found = await discover(client, wanted);
    if (!found.ok) throw new CommandFault(exitCodes.unreachable, found.error.message);
    const gatewayClass = found.value.size > 0 ? values.gatewayClass : '';
    const objects = installObjects({ ...values, gatewayClass });
    return report(await applyObjects(client, [...definitions, ...objects]), terminal);
  });
}

async function valuesOf(options: InstallOptions): Promise<InstallValues> {
  const { defaultInstallValues } = await import('@weft/kube');
  const replicas = Number(options.replicas);
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 10) {
    throw new CommandFault(exitCodes.usage, `--replicas "${options.replicas}": expected a whole number from 1 to 10`);
  }
  const values = defaultInstallValues(weftVersion);
  return {
    ...values,
    namespace: options.namespace,
    image: options.image,
    replicas,
    trustDomain: options.trustDomain,
    gatewayClass: options.gatewayClass,
    sidecar: { ...values.sidecar, capture: options.capture },
    webhooks: { ...values.webhooks, enabled: options.webhooks },
    cni: { ...values.cni, enabled: options.cni },
  };
}

interface UninstallOptions extends ClusterFlags {
  readonly crds: boolean;
  readonly gatewayClass: string;
}

/** How many injected pods are named before "and more". */
const SHOWN_PODS = 5;

/** `weft uninstall`: takes away what an installation made, and what the control plane made while it ran. */
export function uninstallCommand(terminal: Terminal, finish: Finish): Command {
  return withClusterFlags(new Command('uninstall'))
    .description('remove the control plane from a cluster; refuses while pods have sidecars')
    .option('--crds', 'remove the definitions too, and with them every object of these kinds', false)
    .option('--gateway-class <name>', 'GatewayClass that was made', 'weft')
    .action(async (options: UninstallOptions) => finish(await uninstall(options, terminal)));
}

async function uninstall(options: UninstallOptions, terminal: Terminal) {
  const {
    customResources,
    defaultInstallValues,
    deleteCounts,
    deleteObjects,
    installObjects,
    madeAtRuntime,
    podsWith,
  } = await import('@weft/kube');
  const { sidecarContainer } = await import('@weft/injection');
  return useClient(options, async (client) => {
    const pods = await podsWith(client, sidecarContainer, SHOWN_PODS + 1);
    if (!Array.isArray(pods)) throw new CommandFault(exitCodes.unreachable, pods.message);
    if (pods.length > 0) {
      const shown = pods.slice(0, SHOWN_PODS).join(', ');
      const more = pods.length > SHOWN_PODS ? ' and more' : '';
      throw new CommandFault(
        exitCodes.unwell,
        `pods have sidecars that need this control plane: ${shown}${more}; take the label weft.dev/inject from their namespaces and restart them first`,
      );
    }
    const defaults = defaultInstallValues(weftVersion);
    const values = {
      ...defaults,
      namespace: options.namespace,
      gatewayClass: options.gatewayClass,
      cni: { ...defaults.cni, enabled: true },
    };
    // Webhooks first: without a control plane behind them they would refuse pods.
    const objects = installObjects(values).toReversed();
    const webhooks = objects.filter(({ kind }) => kind.endsWith('WebhookConfiguration'));
    const rest = objects.filter(({ kind }) => !kind.endsWith('WebhookConfiguration') && kind !== 'Namespace');
    const definitions = options.crds ? ([...customResources().values()] as KubeObject[]) : [];
    const all = [...webhooks, ...rest, ...madeAtRuntime(options.namespace), ...definitions];
    const code = report(await deleteObjects(client, all), terminal);
    const fault = await deleteCounts(client, options.namespace);
    if (fault !== undefined) terminal.err(`weft: counts of replicas are left: ${fault.message}\n`);
    terminal.out(`the namespace ${options.namespace} is left; remove it with kubectl when nothing of yours is in it\n`);
    if (!options.crds) terminal.out('definitions and configuration are left; remove them with --crds\n');
    return code;
  });
}

function report(outcomes: readonly ObjectOutcome[], terminal: Terminal) {
  for (const { object, done, fault } of outcomes) {
    const place = object.metadata.namespace === undefined ? '' : `${object.metadata.namespace}/`;
    const subject = `${object.kind} ${place}${object.metadata.name}`;
    if (fault !== undefined) terminal.err(`weft: ${subject}: ${fault.message}\n`);
    else if (done !== 'absent') terminal.out(`${done} ${subject}\n`);
  }
  return outcomes.some(({ fault }) => fault !== undefined) ? exitCodes.unwell : exitCodes.ok;
}
