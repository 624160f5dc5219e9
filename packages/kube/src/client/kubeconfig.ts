/** Kubeconfig files, as kubectl reads them: several are one, the first that says something wins. */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { type Clock, type Result, fail, ok } from '@weft/kernel';
import { parse } from 'yaml';
import type { ClusterAccess } from './cluster-access.ts';
import { credentialProgram } from './credential-program.ts';
import { type Fields, fieldsOf, listOf, textOf } from './loose-fields.ts';
import { chooseProxy } from './proxy-choice.ts';
import { tokenFile } from './token-file.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** One `name: ...` entry, and the folder its relative paths are of. */
interface Entry {
  readonly fields: Fields;
  readonly folder: string;
}

/**
 * A context of the files named (as in KUBECONFIG, separated by `:`), or their current one. Client certificates, tokens, token
 * files and credential programs (`exec`); the program runs here, as kubectl would run it, with `env` and what the file adds to it.
 */
export function kubeconfigAccess(
  paths: string,
  clock: Clock,
  context = '',
  env: Environment = {},
): Result<ClusterAccess, string> {
  try {
    const files = paths.split(':').filter((path) => path !== '');
    // Of several, those that are not there are left out, as kubectl does; of one, its absence is said.
    const present = files.length === 1 ? files : files.filter(exists);
    if (present.length === 0) return fail(`none of the kubeconfigs ${files.join(', ')} is there`);
    const configs = present.map((path) => ({ root: readConfig(path), folder: dirname(path) }));
    return chooseContext(configs, files.join(', '), clock, context, env);
  } catch (error) {
    return fail(`the kubeconfig ${paths} cannot be read: ${(error as Error).message}`);
  }
}

function chooseContext(
  configs: readonly { readonly root: Fields; readonly folder: string }[],
  where: string,
  clock: Clock,
  context: string,
  env: Environment,
): Result<ClusterAccess, string> {
  const find = (list: string, name: string, part: string): Entry | undefined => {
    for (const { root, folder } of configs) {
      const entries: unknown = root[list];
      const found = listOf(entries)
        .map(fieldsOf)
        .find((each) => each['name'] === name);
      if (found !== undefined) return { fields: fieldsOf(found[part]), folder };
    }
    return undefined;
  };
  const current = configs.map(({ root }) => textOf(root['current-context'])).find((name) => name !== '') ?? '';
  const contextName = context === '' ? current : context;
  const chosen = find('contexts', contextName, 'context');
  if (chosen === undefined) {
    if (contextName === '') return fail(`${where} has no current context; give one with --context`);
    const known = configs.flatMap(({ root }) => namesIn(root['contexts']));
    return fail(`${where} has no context ${JSON.stringify(contextName)}; there are ${known.join(', ') || 'none'}`);
  }
  const cluster = find('clusters', textOf(chosen.fields['cluster']), 'cluster') ?? nothing;
  const userName = textOf(chosen.fields['user']);
  const named = find('users', userName, 'user');
  const user = named ?? nothing;
  const server = URL.parse(textOf(cluster.fields['server']));
  const of = `of the context ${JSON.stringify(contextName)}`;
  if (textOf(cluster.fields['server']) === '') return fail(`${where} names no server ${of}`);
  if (server === null) return fail(`${where}: the server ${of} is no address`);
  if (named === undefined && userName !== '') return fail(`${where} has no user ${JSON.stringify(userName)} ${of}`);
  const unserved = unservedField(cluster.fields, user.fields);
  if (unserved !== '') return fail(`${where}: ${unserved} (${of.slice(3)})`);
  const proxy = chooseProxy(textOf(cluster.fields['proxy-url']), server, env);
  if (!proxy.ok) return fail(`${where}: ${proxy.error}`);
  const ca = material(cluster, 'certificate-authority');
  const exec = fieldsOf(user.fields['exec']);
  const command = textOf(exec['command']);
  const program =
    user.fields['exec'] === undefined
      ? undefined
      : credentialProgram({
          exec,
          // One with a slash is relative to the file, any other is looked for on the PATH.
          path: command.includes('/') ? resolved(user.folder, command) : command,
          cluster: clusterInfo(cluster.fields, server, ca),
          clock,
          env,
        });
  const first = program?.();
  const certificate = first?.certificate || material(user, 'client-certificate');
  const key = first?.key || material(user, 'client-key');
  const file = textOf(user.fields['tokenFile']);
  const fixed = textOf(user.fields['token']);
  const serverName = textOf(cluster.fields['tls-server-name']);
  const prefix = server.pathname.replace(/\/+$/, '');
  const token =
    program !== undefined
      ? (): string => program().token
      : file === ''
        ? (): string => fixed
        : tokenFile(resolved(user.folder, file), clock);
  return ok({
    description: `the cluster at ${server.origin}${prefix}`,
    server: server.origin,
    token,
    namespace: textOf(chosen.fields['namespace']) || 'default',
    ...(prefix === '' ? {} : { prefix }),
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
    ...(cluster.fields['insecure-skip-tls-verify'] === true ? { skipVerify: true } : {}),
    ...(serverName === '' ? {} : { serverName }),
    ...(proxy.value === undefined ? {} : { proxy: proxy.value }),
    ...impersonation(user.fields),
  });
}

/** What kubectl would heed and this does not, as one line; empty: nothing. What is served is never half served. */
function unservedField(cluster: Fields, user: Fields): string {
  if (user['auth-provider'] !== undefined) {
    return 'auth-provider is asked for, which Kubernetes took away in 1.26; use exec, a token or a certificate';
  }
  if (textOf(user['username']) !== '' || textOf(user['password']) !== '') {
    return 'username and password are not sent, since Kubernetes took them away in 1.19; use exec, a token or a certificate';
  }
  const hasAuthority = ['certificate-authority', 'certificate-authority-data'].some(
    (each) => textOf(cluster[each]) !== '',
  );
  if (cluster['insecure-skip-tls-verify'] === true && hasAuthority) {
    return 'certificate-authority and insecure-skip-tls-verify exclude each other; leave one of them out';
  }
  return '';
}

/** Whom the user acts as (`as`), in the header fields by which API servers are told. */
function impersonation(user: Fields): Pick<ClusterAccess, 'headers'> {
  const name = textOf(user['as']);
  if (name === '') return {};
  const groups = listOf(user['as-groups']).map(String);
  const uid = textOf(user['as-uid']);
  const extra = Object.entries(fieldsOf(user['as-user-extra'])).map(
    ([key, values]) => [`impersonate-extra-${encodeURIComponent(key)}`, listOf(values).map(String)] as const,
  );
  return {
    headers: {
      'impersonate-user': name,
      ...(uid === '' ? {} : { 'impersonate-uid': uid }),
      ...(groups.length === 0 ? {} : { 'impersonate-group': groups }),
      ...Object.fromEntries(extra),
    },
  };
}

/** `spec.cluster` of an ExecCredential. */
function clusterInfo(cluster: Fields, server: URL, ca: string | undefined): Fields {
  const config = listOf(cluster['extensions'])
    .map(fieldsOf)
    .find((each) => each['name'] === 'client.authentication.k8s.io/exec')?.['extension'];
  const texts = Object.fromEntries(
    ['tls-server-name', 'proxy-url'].map((name) => [name, textOf(cluster[name])]).filter(([, value]) => value !== ''),
  ) as Fields;
  return {
    server: server.href,
    ...texts,
    'insecure-skip-tls-verify': cluster['insecure-skip-tls-verify'] === true,
    ...(ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
    ...(config === undefined ? {} : { config }),
  };
}

const nothing: Entry = { fields: {}, folder: '' };

function readConfig(path: string): Fields {
  return fieldsOf(parse(readFileSync(path, 'utf8'), { maxAliasCount: 0 }));
}

function exists(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** PEM that stands in the file, or beside it. */
function material({ fields, folder }: Entry, name: string): string | undefined {
  const data = textOf(fields[`${name}-data`]);
  if (data !== '') return Buffer.from(data, 'base64').toString('utf8');
  const file = textOf(fields[name]);
  return file === '' ? undefined : readFileSync(resolved(folder, file), 'utf8');
}

function resolved(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}

function namesIn(list: unknown): string[] {
  return listOf(list).map((each) => textOf(fieldsOf(each)['name']));
}
