import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { type Clock, type Result, fail, ok } from '@weft/kernel';
import { parse } from 'yaml';

/** How to reach an API server, and as whom. */
export interface ClusterAccess {
  /** As a person would name it. */
  readonly description: string;
  /** `https://10.85.0.1:6443`, without a path. */
  readonly server: string;
  /** PEM; absent: the authorities of the machine. */
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly skipVerify?: boolean;
  readonly serverName?: string;
  /** The bearer token as it is now; empty for none. */
  readonly token: () => string;
  /** Where this process runs, or what the kubeconfig's context says; `default` otherwise. */
  readonly namespace: string;
}

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
/** The kubelet changes a projected token when a fifth of its life is left. */
const TOKEN_AGE_MS = 30_000;

/** Inside a pod. `host` and `port` are `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`. */
export function inClusterAccess(
  host: string,
  port: string,
  clock: Clock,
  folder: string = ACCOUNT_FOLDER,
): Result<ClusterAccess, string> {
  try {
    const ca = readFileSync(join(folder, 'ca.crt'), 'utf8');
    const namespace = readFileSync(join(folder, 'namespace'), 'utf8').trim();
    const token = tokenFile(join(folder, 'token'), clock);
    token();
    const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
    return ok({ description: `the cluster at ${server}`, server, ca, token, namespace });
  } catch (error) {
    const { message } = error as Error;
    return fail(`no service account is mounted (${message}); give --kubeconfig, or automountServiceAccountToken: true`);
  }
}

/** A kubeconfig's current context, or the one named. Client certificates, tokens and token files; no exec plugins. */
export function kubeconfigAccess(path: string, clock: Clock, context = ''): Result<ClusterAccess, string> {
  try {
    const text = readFileSync(path, 'utf8');
    return readKubeconfig(parse(text, { maxAliasCount: 0 }), path, clock, context);
  } catch (error) {
    return fail(`the kubeconfig ${path} cannot be read: ${(error as Error).message}`);
  }
}

type Fields = Readonly<Record<string, unknown>>;

function readKubeconfig(config: unknown, path: string, clock: Clock, context: string): Result<ClusterAccess, string> {
  const root = fieldsOf(config);
  const contextName = context === '' ? textOf(root['current-context']) : context;
  const chosen = fieldsOf(named(root['contexts'], contextName)['context']);
  const cluster = fieldsOf(named(root['clusters'], textOf(chosen['cluster']))['cluster']);
  const user = fieldsOf(named(root['users'], textOf(chosen['user']))['user']);
  const server = textOf(cluster['server']);
  if (server === '') return fail(`${path} names no server for the context ${JSON.stringify(contextName)}`);
  if (user['exec'] !== undefined || user['auth-provider'] !== undefined) {
    return fail(`${path} asks for a credential program, which Weft does not run; give a token or a client certificate`);
  }
  const material = (fields: Fields, name: string): string | undefined => {
    const data = textOf(fields[`${name}-data`]);
    if (data !== '') return Buffer.from(data, 'base64').toString('utf8');
    const file = textOf(fields[name]);
    return file === '' ? undefined : readFileSync(isAbsolute(file) ? file : join(dirname(path), file), 'utf8');
  };
  const ca = material(cluster, 'certificate-authority');
  const certificate = material(user, 'client-certificate');
  const key = material(user, 'client-key');
  const file = textOf(user['tokenFile']);
  const fixed = textOf(user['token']);
  const serverName = textOf(cluster['tls-server-name']);
  return ok({
    description: `the cluster at ${new URL(server).origin}`,
    server: new URL(server).origin,
    token: file === '' ? (): string => fixed : tokenFile(file, clock),
    namespace: textOf(chosen['namespace']) || 'default',
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
    ...(cluster['insecure-skip-tls-verify'] === true ? { skipVerify: true } : {}),
    ...(serverName === '' ? {} : { serverName }),
  });
}

/** Reads again when what was read is old; keeps the last one when the file is away for a moment. */
function tokenFile(path: string, clock: Clock): () => string {
  let token = '';
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.nowMs() - readAtMs < TOKEN_AGE_MS) return token;
    try {
      token = readFileSync(path, 'utf8').trim();
    } catch (error) {
      if (token === '') throw error;
    }
    readAtMs = clock.nowMs();
    return token;
  };
}

function named(list: unknown, name: string): Fields {
  return (Array.isArray(list) ? list : []).map(fieldsOf).find((each) => each['name'] === name) ?? {};
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
