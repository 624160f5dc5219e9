import { Buffer } from 'node:buffer';
import { existsSync, lstatSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from './debian-packages.ts';
import { elfNeeds } from './elf-needs.ts';
import type { NodeBinary } from './node-binary.ts';
import type { TarEntry } from './tar-archive.ts';

/** The folder of shared libraries, and where programs of the architecture look for their loader. */
const places: Readonly<Record<Architecture, { triplet: string; loader: string }>> = {
  amd64: { triplet: 'x86_64-linux-gnu', loader: 'lib64/ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: 'lib/ld-linux-aarch64.so.1' },
};

/** What the rules of legacy iptables name; each is a library that is loaded by its name. */
const iptablesModules = [
  'libxt_REDIRECT.so',
  'libipt_REDIRECT.so',
  'libip6t_REDIRECT.so',
  'libxt_owner.so',
  'libxt_tcp.so',
  'libxt_standard.so',
];
/** One program is all of them, by the name it is called. */
const iptablesNames = ['iptables-legacy', 'iptables-legacy-restore', 'ip6tables-legacy', 'ip6tables-legacy-restore'];

const accounts = 'root:x:0:0:root:/:/sbin/nologin\nweft:x:15001:15001:weft:/:/sbin/nologin\n';
const groups = 'root:x:0:\nweft:x:15001:\n';

/** Layers of the root file system, the one that changes least first. */
export interface RootLayers {
  readonly system: readonly TarEntry[];
  readonly node: readonly TarEntry[];
  readonly weft: readonly TarEntry[];
  /** Debian packages of which a file is in. */
  readonly used: ReadonlySet<string>;
}

/** `unpacked`: folders by package; `dist`: the bundles; `launcher`: bin/weft.cjs; `awaitReady`: await-ready.sh. */
export function makeRoot(
  architecture: Architecture,
  unpacked: ReadonlyMap<string, string>,
  node: NodeBinary,
  dist: string,
  launcher: Buffer,
  awaitReady: Buffer,
): RootLayers {
  const { triplet, loader } = places[architecture];
  const system = new Map<string, TarEntry>();
  const used = new Set<string>();
  const find = (...paths: readonly string[]): { owner: string; file: string } => {
    for (const [owner, folder] of unpacked) {
      for (const path of paths)
        if (existsSync(join(folder, path))) return { owner, file: realpathSync(join(folder, path)) };
    }
    throw new Error(`no package holds ${paths.join(' or ')}; add the one that does to debian-packages.ts`);
  };
  const add = (target: string, mode: number, ...sources: readonly string[]): void => {
    if (system.has(target)) return;
    const { owner, file } = find(...sources);
    used.add(owner);
    const content = readFileSync(file);
    system.set(target, { type: 'file', path: target, mode, content });
    addLibraries(content);
  };
  const addLibraries = (program: Buffer): void => {
    for (const name of elfNeeds(program)) {
      if (loader.endsWith(`/${name}`)) continue;
      add(`lib/${triplet}/${name}`, 0o644, `lib/${triplet}/${name}`, `usr/lib/${triplet}/${name}`);
    }
  };
  /**
   * For nodes, where the plugin of the network finds nothing else (packages/cni), and for await-ready: not on the path here.
   * Libraries and loader by the names under which they are looked for.
   */
  const addNodeTools = (): void => {
    add('weft/node/busybox', 0o755, 'bin/busybox', 'usr/bin/busybox');
    const link = (name: string, target: string): void =>
      void system.set(`weft/node/${name}`, { type: 'link', path: `weft/node/${name}`, target: `/${target}` });
    link('nft', 'usr/sbin/nft');
    link('ld.so', loader);
    const follow = (path: string): void => {
      const entry = system.get(path);
      if (entry?.type !== 'file') return;
      for (const name of elfNeeds(entry.content)) {
        if (loader.endsWith(`/${name}`) || system.has(`weft/node/${name}`)) continue;
        link(name, `lib/${triplet}/${name}`);
        follow(`lib/${triplet}/${name}`);
      }
    };
    follow('usr/sbin/nft');
  };
  const loaderName = loader.slice(loader.lastIndexOf('/') + 1);
  add(loader, 0o755, loader, `lib/${triplet}/${loaderName}`, `usr/lib/${triplet}/${loaderName}`);
  add('usr/sbin/nft', 0o755, 'usr/sbin/nft', 'sbin/nft');
  add('usr/sbin/xtables-legacy-multi', 0o755, 'usr/sbin/xtables-legacy-multi', 'sbin/xtables-legacy-multi');
  addNodeTools();
  for (const name of iptablesNames) {
    system.set(`usr/sbin/${name}`, { type: 'link', path: `usr/sbin/${name}`, target: 'xtables-legacy-multi' });
  }
  for (const name of iptablesModules) {
    const path = `usr/lib/${triplet}/xtables/${name}`;
    if ([...unpacked.values()].some((folder) => existsSync(join(folder, path)))) add(path, 0o644, path);
  }
  addLibraries(node.program);
  for (const owner of used) {
    const path = `usr/share/doc/${owner}/copyright`;
    const folder = unpacked.get(owner)!;
    // Packages of one source share the text by a link.
    const linked =
      lstatSync(join(folder, `usr/share/doc/${owner}`), { throwIfNoEntry: false })?.isSymbolicLink() === true;
    if (!linked && existsSync(join(folder, path))) {
      system.set(path, { type: 'file', path, mode: 0o644, content: readFileSync(join(folder, path)) });
    }
  }
  for (const [path, text] of [
    ['etc/passwd', accounts],
    ['etc/group', groups],
  ] as const) {
    system.set(path, { type: 'file', path, mode: 0o644, content: Buffer.from(text) });
  }
  const nodeFiles: TarEntry[] = [
    { type: 'file', path: 'usr/bin/node', mode: 0o755, content: node.program },
    { type: 'file', path: 'usr/share/doc/node/LICENSE', mode: 0o644, content: node.licence },
  ];
  const weftFiles: TarEntry[] = [
    { type: 'file', path: 'weft/bin/weft.cjs', mode: 0o755, content: launcher },
    { type: 'file', path: 'weft/bin/await-ready', mode: 0o755, content: awaitReady },
    { type: 'link', path: 'usr/bin/weft', target: '/weft/bin/weft.cjs' },
    ...readdirSync(dist, { recursive: true, encoding: 'utf8' })
      .sort()
      .filter((file) => /\.(?:mjs|txt)$|^dashboard\/.*\.\w+$/.test(file))
      .map(
        (file) =>
          ({ type: 'file', path: `weft/dist/${file}`, mode: 0o644, content: readFileSync(join(dist, file)) }) as const,
      ),
  ];
  // Legacy iptables keeps its lock in /run.
  const empty = [
    { type: 'folder', path: 'run', mode: 0o755 },
    { type: 'folder', path: 'tmp', mode: 0o1777 },
  ] as const;
  return {
    system: [...withFolders([...system.values()]), ...empty],
    node: withFolders(nodeFiles),
    weft: withFolders(weftFiles),
    used,
  };
}

function withFolders(entries: readonly TarEntry[]): TarEntry[] {
  const folders = new Set<string>();
  for (const { path } of entries) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) folders.add(path.slice(0, at));
  }
  return [...Array.from(folders, (path) => ({ type: 'folder', path, mode: 0o755 }) as const), ...entries];
}
