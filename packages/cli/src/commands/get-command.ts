import { Command, Option } from 'commander';
import type { Resource } from '@weft/model';
import type { ObjectStatus } from '@weft/wire';
import { answerOf, withControlPlane } from '../admin-connection.ts';
import type { ControlAdmin } from '../control-admin.ts';
import { type ControlFlags, withControlFlags } from '../control-place.ts';
import { CommandFault, type ExitCode, exitCodes } from '../exit-code.ts';
import type { HeldTable } from '../get/held-config.ts';
import { replicaNote } from '../output/replica-note.ts';
import { type OutputFormat, writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import { writeTable } from '../output/text-table.ts';
import type { Finish } from './finish.ts';

interface GetOptions extends ControlFlags {
  readonly output: OutputFormat;
  readonly namespace: string;
  readonly from: string;
  readonly route: string;
  readonly rule: string;
}

const heldWords = ['routes', 'endpoints', 'config'] as const;

/** `weft get`: what a proxy holds, what a policy comes to, and what became of objects. */
export function getCommand(terminal: Terminal, finish: Finish): Command {
  return withControlFlags(new Command('get'))
    .description('show what a proxy holds, the policy of a service, or what became of an object')
    .argument('<what>', 'routes, endpoints, config, policy, objects; or an object: NAME or KIND/NAME')
    .argument('[name]', 'of a proxy or workload (routes, endpoints, config), or of a service (policy)')
    .option('-n, --namespace <name>', 'namespace of the object or service', '')
    .option('--from <namespace>', 'policy: as callers of that namespace get it', '')
    .option('--route <namespace/name>', 'policy: for a rule of that HTTPRoute', '')
    .option('--rule <index>', 'policy: which rule, from 0', '0')
    .addOption(
      new Option('-o, --output <format>', 'json and yaml show everything')
        .choices(['table', 'json', 'yaml'])
        .default('table'),
    )
    .addHelpText(
      'after',
      `
routes, endpoints and config are asked of the proxy itself: what it uses, not what it should use.

Examples:
  weft get routes cart                    # of any proxy of the workload cart
  weft get endpoints shop/cart-1f2e       # of one proxy
  weft get config cart -o yaml            # all it holds
  weft get policy orders                  # each value, and which object said it
  weft get objects                        # Accepted, ResolvedRefs, Programmed of all
  weft get HTTPRoute/orders -o yaml       # one object, with its status`,
    )
    .action(async (what: string, name: string | undefined, options: GetOptions) => {
      finish(await withControlPlane(options, (admin) => get(admin, what, name ?? '', options, terminal)));
    });
}

async function get(
  admin: ControlAdmin,
  what: string,
  name: string,
  options: GetOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const held = heldWords.find((word) => word === what);
  if (held !== undefined) return getHeld(admin, held, needed(what, name), options, terminal);
  if (what === 'policy') return getPolicy(admin, needed(what, name), options, terminal);
  if (what === 'objects') return getObjects(admin, options, terminal);
  return getObject(admin, name === '' ? what : `${what}/${name}`, options, terminal);
}

async function getHeld(
  admin: ControlAdmin,
  what: (typeof heldWords)[number],
  name: string,
  { output }: GetOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const [{ chooseProxy }, { endpointsTable, routesTable, versionsTable }, { decodeResource }] = await Promise.all([
    import('../get/proxy-choice.ts'),
    import('../get/held-config.ts'),
    import('@weft/wire'),
  ]);
  const { proxies, replicas } = answerOf(await admin.listProxies());
  terminal.err(replicaNote(replicas));
  const proxy = chooseProxy(proxies, name).name;
  if (proxy !== name) terminal.err(`weft: of ${proxy}\n`);
  if (what === 'config' && output === 'table') {
    const versions = answerOf(await admin.getVersions(proxy)).resources;
    return showTable(versionsTable(versions), terminal);
  }
  const prefixes = what === 'config' ? [''] : what === 'routes' ? ['routes:', 'listener:'] : ['endpoints:', 'backend:'];
  const resources: Resource[] = [];
  for (const keyPrefix of prefixes) {
    const config = answerOf(await admin.getConfig({ proxy, keyPrefix }));
    for (const { key, body } of config.resources) {
      const read = decodeResource(key, body);
      if (read.ok) resources.push(read.value);
      else terminal.err(`weft: ${key} is of a newer version of Weft and not shown (${read.error.message})\n`);
    }
    if (config.truncated) terminal.err('weft: there is more than one answer holds; this is the beginning\n');
  }
  if (output !== 'table') {
    const asked = what === 'endpoints' ? resources.filter(({ type }) => type === 'endpoints') : resources;
    terminal.out(await writeStructured(asked, output));
  } else showTable(what === 'routes' ? routesTable(resources) : endpointsTable(resources), terminal);
  return exitCodes.ok;
}

async function getPolicy(
  admin: ControlAdmin,
  name: string,
  options: GetOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { askPolicy, policyValues } = await import('../get/effective-policy.ts');
  const rule = /^\d{1,4}$/.test(options.rule) ? Number(options.rule) : -1;
  if (rule < 0) throw new CommandFault(exitCodes.usage, `--rule "${options.rule}": expected a number from 0`);
  const { destination, effective } = await askPolicy(admin, {
    service: name,
    namespace: options.namespace === '' ? 'default' : options.namespace,
    callerNamespace: options.from,
    route: options.route,
    rule,
  });
  const values = policyValues(effective);
  if (options.output !== 'table') {
    terminal.out(await writeStructured({ destination, values, effective }, options.output));
    return exitCodes.ok;
  }
  terminal.out(`${destination}${options.route === '' ? '' : `, HTTPRoute ${options.route} rule ${rule}`}\n\n`);
  return showTable(
    { headings: ['field', 'value', 'from'], rows: values.map(({ field, value, source }) => [field, value, source]) },
    terminal,
  );
}

async function getObjects(admin: ControlAdmin, options: GetOptions, terminal: Terminal): Promise<ExitCode> {
  const { describeObject, isRefused, objectsTable } = await import('../get/object-status.ts');
  const { namespace, output } = options;
  const { objects, replicas } = answerOf(await admin.listObjects({ kind: '', namespace, name: '' }));
  terminal.err(replicaNote(replicas));
  const refused = objects.filter(isRefused);
  if (output === 'table') {
    showTable(objectsTable(objects), terminal);
    for (const object of refused) terminal.out(`\n${describeObject(object)}`);
  } else terminal.out(await writeStructured(objects.map(withoutYaml), output));
  return refused.length > 0 ? exitCodes.unwell : exitCodes.ok;
}

async function getObject(
  admin: ControlAdmin,
  what: string,
  options: GetOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { namespace, output } = options;
  const slash = what.indexOf('/');
  const kind = what.slice(0, Math.max(0, slash));
  const request = { kind, namespace, name: what.slice(slash + 1) };
  const { objects, replicas } = answerOf(await admin.listObjects(request));
  terminal.err(replicaNote(replicas));
  if (objects.length === 0) {
    const where = namespace === '' ? '' : ` in namespace ${namespace}`;
    throw new CommandFault(exitCodes.unwell, `no object ${what}${where}; weft get objects shows all`);
  }
  const { describeObject, isRefused } = await import('../get/object-status.ts');
  if (output === 'yaml')
    terminal.out(objects.map(({ yaml }) => (yaml.endsWith('\n') ? yaml : `${yaml}\n`)).join('---\n'));
  else if (output === 'json') {
    const { parse } = await import('yaml');
    const values = objects.map(({ yaml }): unknown => parse(yaml));
    terminal.out(await writeStructured(values.length === 1 ? values[0] : values, 'json'));
  } else terminal.out(objects.map(describeObject).join('\n'));
  return objects.some(isRefused) ? exitCodes.unwell : exitCodes.ok;
}

function showTable({ headings, rows }: HeldTable, terminal: Terminal): ExitCode {
  terminal.out(rows.length === 0 ? 'none\n' : writeTable(headings, rows, terminal.coloured));
  return exitCodes.ok;
}

function needed(what: string, name: string): string {
  if (name !== '') return name;
  const whose = what === 'policy' ? 'a service' : 'a proxy or workload';
  throw new CommandFault(exitCodes.usage, `get ${what} needs the name of ${whose}; see weft get --help`);
}

function withoutYaml({ yaml: _text, ...rest }: ObjectStatus): Omit<ObjectStatus, 'yaml'> {
  return rest;
}
