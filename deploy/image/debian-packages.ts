import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Architecture = 'amd64' | 'arm64';

/** A package as it is in the image. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

export type PackageLock = Readonly<Record<Architecture, readonly DebianPackage[]>>;

/** What the image takes files from. What Node and nft are linked with, legacy iptables for old nodes, and what the plugin of a node is for. */
const packageNames = [
  'busybox-static',
  'iptables',
  'libatomic1',
  'libbsd0',
  'libc6',
  'libedit2',
  'libgcc-s1',
  'libgmp10',
  'libip4tc2',
  'libip6tc2',
  'libjansson4',
  'libmd0',
  'libmnl0',
  'libnetfilter-conntrack3',
  'libnfnetlink0',
  'libnftables1',
  'libnftnl11',
  'libstdc++6',
  'libtinfo6',
  'libxtables12',
  'nftables',
] as const;

const suite = 'bookworm';
const lockFile = join(import.meta.dirname, 'debian-packages.json');

export function readLock(): PackageLock {
  return JSON.parse(readFileSync(lockFile, 'utf8')) as PackageLock;
}

/** Takes the present versions of the suite into the lock. */
export function updateLock(folder: string, architectures: readonly Architecture[]): void {
  const lock: Record<string, readonly DebianPackage[]> = { ...(existsSync(lockFile) ? readLock() : {}) };
  for (const architecture of architectures) {
    const apt = openApt(folder, architecture);
    lock[architecture] = packageNames.map((name) => {
      const shown = run('apt-cache', [...apt, 'show', '--no-all-versions', `${name}:${architecture}`]);
      const version = /^Version: (\S+)$/m.exec(shown)?.[1];
      const sha256 = /^SHA256: ([0-9a-f]{64})$/m.exec(shown)?.[1];
      if (version === undefined || sha256 === undefined)
        throw new Error(`${name} is not in Debian ${suite}; look into the sources of apt`);
      return { name, version, sha256 };
    });
  }
  writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`);
}

/** The locked packages, fetched once into `folder` and checked against the lock; each unpacked into a folder of its own. */
export function fetchPackages(folder: string, architecture: Architecture): Map<string, string> {
  const packages = readLock()[architecture];
  const archives = join(folder, 'deb', architecture);
  mkdirSync(archives, { recursive: true });
  const held = (): string[] => readdirSync(archives).filter((file) => file.endsWith('.deb'));
  const fileOf = ({ sha256 }: DebianPackage): string | undefined =>
    held().find((file) => digest(readFileSync(join(archives, file))) === sha256);
  const missing = packages.filter((each) => fileOf(each) === undefined);
  if (missing.length > 0) {
    const apt = openApt(folder, architecture);
    const wanted = missing.map(({ name, version }) => `${name}:${architecture}=${version}`);
    try {
      run('apt-get', [...apt, 'download', ...wanted], archives);
    } catch (error) {
      throw new Error(
        `a locked package is not offered any more; take the present ones with: npm run image -- --update\n${(error as Error).message}`,
        { cause: error },
      );
    }
  }
  const unpacked = new Map<string, string>();
  for (const each of packages) {
    const file = fileOf(each);
    if (file === undefined)
      throw new Error(`${each.name} ${each.version}: what was downloaded is not what the lock says`);
    const target = join(folder, 'unpacked', architecture, each.sha256);
    if (!existsSync(target)) {
      mkdirSync(target, { recursive: true });
      run('dpkg-deb', ['--extract', join(archives, file), target]);
    }
    unpacked.set(each.name, target);
  }
  return unpacked;
}

/** apt with lists of its own: of another architecture than this machine's, and without root. Checks signatures as always. */
function openApt(folder: string, architecture: Architecture): string[] {
  const state = join(folder, 'apt', architecture);
  for (const name of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(state, name), { recursive: true });
  const status = join(state, 'status');
  writeFileSync(status, '');
  const options = [
    `APT::Architecture=${architecture}`,
    `APT::Architectures=${architecture}`,
    `Dir::State::lists=${join(state, 'lists')}`,
    `Dir::State::status=${status}`,
    `Dir::Cache=${join(state, 'cache')}`,
    'APT::Sandbox::User=',
    'Acquire::Languages=none',
  ].flatMap((option) => ['-o', option]);
  if (readdirSync(join(state, 'lists')).length < 3) run('apt-get', [...options, 'update', '-qq']);
  return options;
}

function run(program: string, args: readonly string[], cwd?: string): string {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 * 1024 * 1024,
      ...(cwd === undefined ? {} : { cwd }),
    });
  } catch (error) {
    const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      throw new Error(`${program} is needed; build on Debian, or with deploy/Dockerfile`, { cause: error });
    throw new Error(`${program}: ${stderr?.trim().split('\n').at(-1) ?? String(error)}`, { cause: error });
  }
}

function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
