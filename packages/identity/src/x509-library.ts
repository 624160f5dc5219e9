import type * as X509Module from '@peculiar/x509';

let library: Promise<typeof X509Module> | undefined;

/**
 * The certificate library, loaded when a root or a server's certificate is made: it costs a process 105 ms and 24 MB, which no
 * sidecar pays, and no restart of a control plane without webhooks.
 */
export function loadX509(): Promise<typeof X509Module> {
  // Its dependency injection refuses to load without the first.
  library ??= import('reflect-metadata').then(() => import('@peculiar/x509'));
  return library;
}
