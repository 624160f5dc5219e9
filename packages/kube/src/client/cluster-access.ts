import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type Result, bracketedHost, fail, ok } from '@weft/kernel';
import { tokenFile } from './token-file.ts';

/** How to reach an API server, and as whom. */
export interface ClusterAccess {
  /** As a person would name it. */
  readonly description: string;
  /** `https://10.85.0.1:6443`, without a path. */
  readonly server: string;
  /** Path under which the server stands behind a proxy: `/k8s/clusters/c-1`; absent: at the root. */
  readonly prefix?: string;
  /** PEM; absent: the authorities of the machine. */
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly skipVerify?: boolean;
  readonly serverName?: string;
  /** HTTP proxy that leads there, `http://name:secret@host:port`; absent: none. */
  readonly proxy?: string;
  /** Further header fields of every request, in small letters. */
  readonly headers?: Readonly<Record<string, string | string[]>>;
  /** The bearer token as it is now; empty for none. */
  readonly token: () => string;
  /** Where this process runs, or what the kubeconfig's context says; `default` otherwise. */
  readonly namespace: string;
}

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

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
    const server = `https://${bracketedHost(host)}:${port}`;
    return ok({ description: `the cluster at ${server}`, server, ca, token, namespace });
  } catch (error) {
    const { message } = error as Error;
    return fail(`no service account is mounted (${message}); give --kubeconfig, or automountServiceAccountToken: true`);
  }
}
