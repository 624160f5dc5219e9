import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openSealedFolder, readSealedFile, writeSealedFile } from '@weft/identity';
import type { EdgeCertificates } from '@weft/wire';
import type { Log } from '../log.ts';

/** `namespace/name`, both DNS names: nothing that leads out of the folder. */
const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?\/[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const MOST_BYTES = 256 * 1024;

/** Where a proxy reads the certificates of its Gateway; empty for one that serves none. */
export function certificateFolderOf(options: {
  readonly certificateFolder: string;
  readonly gateway: string;
  readonly stateFolder: string;
}): string {
  const { certificateFolder, gateway, stateFolder } = options;
  if (certificateFolder !== '' || gateway === '') return certificateFolder;
  return join(stateFolder, 'certificates');
}

/** Whether it has no folder of its own for them. */
export function takesCertificates(options: { readonly certificateFolder: string; readonly gateway: string }): boolean {
  return options.gateway !== '' && options.certificateFolder === '';
}

/**
 * Keeps what the control plane sends of the Secrets of a Gateway as `CertificateFolder` reads it: `<folder>/<namespace>/<name>`
 * with `tls.crt` and `tls.key`, mode 0600. What is no longer sent is removed. A gateway that restarts without a control plane
 * serves with it.
 */
export class PushedCertificates {
  readonly folder: string;
  private readonly log: Log;

  constructor(folder: string, log: Log) {
    this.folder = folder;
    this.log = log;
  }

  take({ certificates }: EdgeCertificates): void {
    const kept = new Set<string>();
    for (const { name, chain, key } of certificates) {
      if (!NAME.test(name) || name.includes('..')) continue;
      kept.add(name);
      const place = join(this.folder, name);
      const [namespace = ''] = name.split('/');
      // The key first: until both are there the pair before them goes on.
      for (const [file, content] of [
        ['tls.key', key],
        ['tls.crt', chain],
      ] as const) {
        const path = join(place, file);
        const held = readSealedFile(path, MOST_BYTES);
        if (held.ok && held.value.equals(content)) continue;
        const opened = [this.folder, join(this.folder, namespace), place]
          .map(openSealedFolder)
          .find((each) => !each.ok);
        const written = opened ?? writeSealedFile(path, content);
        if (!written.ok)
          this.log.error(`certificate ${name} is not kept: ${written.error.message}`, { certificate: name });
      }
    }
    for (const name of this.held()) {
      if (!kept.has(name)) rmSync(join(this.folder, name), { recursive: true, force: true });
    }
  }

  private held(): string[] {
    const list = (path: string): string[] => {
      try {
        return readdirSync(path);
      } catch {
        return [];
      }
    };
    return list(this.folder).flatMap((namespace) =>
      list(join(this.folder, namespace)).map((name) => `${namespace}/${name}`),
    );
  }
}
