/** Kubeconfig files, as kubectl reads them: several are one, the first that says something wins. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { type Clock, type Result, fail, ok } from '@weft/kernel';
import { parse } from 'yaml';
import type { ClusterAccess } from './cluster-access.ts';
import { tokenFile } from './token-file.ts';

type Fields = Readonly<Record<string, unknown>>;
type Environment = Readonly<Record<string, string | undefined>>;

/** One `name: ...` entry, and the folder its relative paths are of. */
interface Entry {
  readonly fields: Fields;
  readonly folder: string;
}

/** What a credential program said. */
interface ExecCredential {
  readonly token: string;
  readonly certificate: string;
  readonly key: string;
  readonly expiresAtMs: number;
}

const PROGRAM_MS = 60_000;
const MOST_PROGRAM_BYTES = 1024 * 1024;
/** A token is fetched again when so little of its life is left. */
const EARLY_MS = 30_000;

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
      const found = (Array.isArray(entries) ? entries : []).map(fieldsOf).find((each) => each['name'] === name);
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
  const user = find('users', textOf(chosen.fields['user']), 'user') ?? nothing;
  const server = textOf(cluster.fields['server']);
  if (server === '') return fail(`${where} names no server for the context ${JSON.stringify(contextName)}`);
  if (user.fields['auth-provider'] !== undefined) {
    return fail(
      `${where} asks for an auth-provider, which Kubernetes took away in 1.26; use exec, a token or a certificate`,
    );
  }
  const url = new URL(server);
  const program = user.fields['exec'] === undefined ? undefined : credentialProgram(user, url, cluster, clock, env);
  const first = program?.();
  const ca = material(cluster, 'certificate-authority');
  const certificate = first?.certificate || material(user, 'client-certificate');
  const key = first?.key || material(user, 'client-key');
  const file = textOf(user.fields['tokenFile']);
  const fixed = textOf(user.fields['token']);
  const serverName = textOf(cluster.fields['tls-server-name']);
  const prefix = url.pathname.replace(/\/+$/, '');
  const token =
    program !== undefined
      ? (): string => program().token
      : file === ''
        ? (): string => fixed
        : tokenFile(resolved(user.folder, file), clock);
  return ok({
    description: `the cluster at ${url.origin}${prefix}`,
    server: url.origin,
    token,
    namespace: textOf(chosen.fields['namespace']) || 'default',
    ...(prefix === '' ? {} : { prefix }),
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
    ...(cluster.fields['insecure-skip-tls-verify'] === true ? { skipVerify: true } : {}),
    ...(serverName === '' ? {} : { serverName }),
  });
}

/** Runs the program of `exec` when there is no credential of it, or the last one is about to end. */
function credentialProgram(
  user: Entry,
  server: URL,
  cluster: Entry,
  clock: Clock,
  env: Environment,
): () => ExecCredential {
  const exec = fieldsOf(user.fields['exec']);
  const command = textOf(exec['command']);
  // One with a slash is relative to the file, any other is looked for on the PATH.
  const path = command.includes('/') ? resolved(user.folder, command) : command;
  const args = (Array.isArray(exec['args']) ? exec['args'] : []).map(String);
  const more = (Array.isArray(exec['env']) ? exec['env'] : []).map(fieldsOf);
  const version = textOf(exec['apiVersion']) || 'client.authentication.k8s.io/v1';
  const clusterInfo = {
    server: server.href,
    'insecure-skip-tls-verify': cluster.fields['insecure-skip-tls-verify'] === true,
    ...(cluster.fields['certificate-authority-data'] === undefined
      ? {}
      : { 'certificate-authority-data': cluster.fields['certificate-authority-data'] }),
  };
  const interactive = exec['interactiveMode'] !== 'Never' && process.stdin.isTTY === true;
  const spec = { interactive, ...(exec['provideClusterInfo'] === true ? { cluster: clusterInfo } : {}) };
  let held: ExecCredential | undefined;
  return () => {
    if (held !== undefined && clock.wallMs() < held.expiresAtMs - EARLY_MS) return held;
    const ran = spawnSync(path, args, {
      env: {
        ...env,
        ...Object.fromEntries(more.map((each) => [textOf(each['name']), textOf(each['value'])])),
        KUBERNETES_EXEC_INFO: JSON.stringify({ apiVersion: version, kind: 'ExecCredential', spec }),
      },
      stdio: [interactive ? 'inherit' : 'ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      timeout: PROGRAM_MS,
      maxBuffer: MOST_PROGRAM_BYTES,
    });
    if (ran.error !== undefined) {
      const hint = textOf(exec['installHint']).split('\n')[0] ?? '';
      throw new Error(`the credential program ${command}: ${ran.error.message}${hint === '' ? '' : `; ${hint}`}`);
    }
    if (ran.status !== 0) throw new Error(`the credential program ${command} ended with ${ran.status ?? ran.signal}`);
    held = readCredential(ran.stdout, command);
    return held;
  };
}

function readCredential(text: string, command: string): ExecCredential {
  let status: Fields;
  try {
    status = fieldsOf(fieldsOf(JSON.parse(text))['status']);
  } catch {
    throw new Error(`the credential program ${command} wrote no JSON`);
  }
  const token = textOf(status['token']);
  const certificate = textOf(status['clientCertificateData']);
  const key = textOf(status['clientKeyData']);
  if (token === '' && (certificate === '' || key === '')) {
    throw new Error(`the credential program ${command} gave neither a token nor a certificate`);
  }
  const end = Date.parse(textOf(status['expirationTimestamp']));
  return { token, certificate, key, expiresAtMs: Number.isNaN(end) ? Number.POSITIVE_INFINITY : end };
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
  return (Array.isArray(list) ? list : []).map((each) => textOf(fieldsOf(each)['name']));
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
