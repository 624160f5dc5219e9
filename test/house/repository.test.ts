import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertNone } from './findings.ts';
import { type ManifestContent, packageManifests, projectFiles, readJson, readText } from './source-tree.ts';

interface LockedPackage {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optional?: boolean;
  readonly cpu?: string | readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** Libraries whose install scripts are known to be needless; `ignore-scripts=true` in .npmrc keeps all from running. */
const needlessInstallScripts: ReadonlyMap<string, string> = new Map([
  ['node_modules/protobufjs', 'prints a warning about version ranges, nothing else'],
]);

/**
 * Binaries for platforms other than Linux on x64 (and Node's own for Linux on arm64), locked to a version but to no hash:
 * the registry that the lock file was made with does not serve them. Only falls.
 */
const unhashedPlatformPackages = 49;

const manifests = (): { path: string; content: ManifestContent }[] => [
  { path: 'package.json', content: readJson('package.json') as ManifestContent },
  ...packageManifests(),
];

describe('dependencies', () => {
  test('are pinned to exact versions', () => {
    const findings = manifests().flatMap(({ path, content }) =>
      [content.dependencies, content.devDependencies, content.optionalDependencies, content.peerDependencies].flatMap(
        (group) =>
          Object.entries(group ?? {})
            .filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(version))
            .map(([name, version]) => `${path}: ${name} ${version}: pin one exact version`),
      ),
    );
    assertNone(findings, 'One version, chosen by people.');
  });

  test('have one version each in all packages', () => {
    const versions = new Map<string, Map<string, string>>();
    for (const { path, content } of manifests()) {
      for (const group of [content.dependencies, content.devDependencies]) {
        for (const [name, version] of Object.entries(group ?? {})) {
          if (!versions.has(name)) versions.set(name, new Map());
          versions.get(name)!.set(version, path);
        }
      }
    }
    assertNone(
      [...versions]
        .filter(([, each]) => each.size > 1)
        .map(([name, each]) => `${name}: ${[...each].map(([version, path]) => `${version} in ${path}`).join(', ')}`),
      'The same library is the same everywhere.',
    );
  });

  test('are locked with an integrity hash, in a lock file of version 3 that names no host', () => {
    const lock = readJson('package-lock.json') as Lock;
    assert.equal(lock.lockfileVersion, 3);
    const findings: string[] = [];
    let unhashed = 0;
    for (const [path, { integrity, link, resolved, optional, cpu }] of Object.entries(lock.packages)) {
      if (!path.includes('node_modules/') || link === true) continue;
      if (resolved?.includes('://') === true) {
        findings.push(`package-lock.json: ${path}: resolved names a host; set omit-lockfile-registry-resolved`);
      }
      if (integrity !== undefined) continue;
      if (optional === true && cpu !== undefined) unhashed += 1;
      else findings.push(`package-lock.json: ${path}: no integrity; run npm install --ignore-scripts`);
    }
    if (unhashed !== unhashedPlatformPackages) {
      findings.push(
        `test/house/repository.test.ts: ${unhashed} packages of other platforms have no hash, not ${unhashedPlatformPackages}; the number may only fall`,
      );
    }
    assertNone(findings, 'What is installed is what was reviewed.');
  });

  test('are locked for every platform, else npm ci refuses the lock file', () => {
    const { packages } = readJson('package-lock.json') as Lock;
    const findings = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
      Object.keys(optionalDependencies ?? {})
        .filter(
          (name) =>
            packages[`node_modules/${name}`] === undefined && packages[`${path}/node_modules/${name}`] === undefined,
        )
        .map(
          (name) =>
            `package-lock.json: ${path === '' ? 'the project' : path} may need ${name}, which is not locked; add it (npm leaves out what its registry does not serve)`,
        ),
    );
    assertNone(findings, 'The lock file is whole.');
  });

  test('need no install script', () => {
    const lock = readJson('package-lock.json') as Lock;
    const findings = Object.entries(lock.packages)
      .filter(([path, { hasInstallScript }]) => hasInstallScript === true && !needlessInstallScripts.has(path))
      .map(
        ([path]) =>
          `package-lock.json: ${path} has an install script; choose another library, or say in test/house why it is needless`,
      );
    if (!/^ignore-scripts=true$/m.test(readText('.npmrc'))) findings.push('.npmrc: ignore-scripts=true');
    assertNone(findings, 'Installing runs nothing.');
  });
});

describe('tracked files', () => {
  const texts = projectFiles().filter((path) => !/\.(png|ico|woff2|gz|pem|bin)$/.test(path) && path !== 'LICENSE');

  test('name no path of the machine they were written on', () => {
    const paths =
      /(?<![\w.])\/(?:work\/(?:main|shared)|home\/(?!kubernetes\/bin)[a-z]|root\/|Users\/|tmp\/(?:brief|bash))/;
    assertNone(
      texts.flatMap((path) => lines(path, paths, 'use a relative path or a folder made at run time')),
      'No machine paths.',
    );
  });

  test('name no package registry', () => {
    const hosts = /registry\.npmjs|registry\.yarnpkg|pypi\.org|npm\.pkg\.github/;
    assertNone(
      texts.flatMap((path) => lines(path, hosts, 'registries are configured by whoever installs')),
      'No registry hosts.',
    );
  });

  test('are there, as a stranger expects them', () => {
    const expected = [
      'README.md',
      'ARCHITECTURE.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      'SECURITY.md',
      'LICENSE',
      '.ci/run',
      'package-lock.json',
    ];
    assertNone(
      expected.filter((path) => !projectFiles().includes(path)).map((path) => `${path}: missing`),
      'The usual files.',
    );
  });

  test('link to files that exist', () => {
    const findings = projectFiles()
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...readText(path).matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)]*)?\)/g)].flatMap(([, target]) => {
          const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '';
          const full = new URL(`${folder}${target}`, 'file:///').pathname.slice(1).replace(/\/$/, '');
          const exists = projectFiles().some((other) => other === full || other.startsWith(`${full}/`));
          return exists ? [] : [`${path}: links to ${target}, which does not exist`];
        }),
      );
    assertNone(findings, 'Links lead somewhere.');
  });

  test('that are Markdown name scripts that package.json has', () => {
    const { scripts } = readJson('package.json') as { scripts: Record<string, string> };
    const findings = projectFiles()
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...readText(path).matchAll(/npm run ([a-z][a-z0-9:-]*)/g)]
          .filter(([, name]) => !Object.hasOwn(scripts, name!))
          .map(([, name]) => `${path}: npm run ${name}: package.json has no such script`),
      );
    assertNone(findings, 'Commands in pages can be typed.');
  });
});

function lines(path: string, pattern: RegExp, remedy: string): string[] {
  return readText(path)
    .split('\n')
    .flatMap((line, index) => {
      const found = pattern.exec(line);
      return found === null ? [] : [`${path}:${index + 1}: ${found[0]}: ${remedy}`];
    });
}
