import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertNone } from './findings.ts';
import { packageLaw, readLaw } from './package-law.ts';
import {
  type ManifestContent,
  type SourceFile,
  isTestName,
  packageManifests,
  projectFiles,
  readJson,
  readText,
  sourceFiles,
  targetOf,
} from './source-tree.ts';

const scope = '@weft/';

/** The package that a bare specifier belongs to: `@grpc/grpc-js`, `protobufjs` of `protobufjs/minimal.js`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Packages that plain JavaScript programs of a package import, such as the services of the demo. */
function programImports(folder: string): Set<string> {
  const programs = projectFiles().filter((path) => path.startsWith(`packages/${folder}/`) && path.endsWith('.mjs'));
  const specifiers = programs.flatMap((path) => [...readText(path).matchAll(/^import .* from '([^'.][^']*)';$/gm)]);
  return new Set(specifiers.map(([, specifier]) => packageOf(specifier!)));
}

function bareImports(file: SourceFile): { name: string; specifier: string; line: number }[] {
  return file.imports
    .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
    .map(({ specifier, line }) => ({ name: packageOf(specifier), specifier, line }));
}

describe('the package table of ARCHITECTURE.md', () => {
  test('has a row for each package folder and no other row', () => {
    const folders = new Set(packageManifests().map(({ folder }) => folder));
    assertNone(
      [
        ...[...folders]
          .filter((name) => !packageLaw().has(name))
          .map((name) => `packages/${name}: add a row to the package table of ARCHITECTURE.md`),
        ...[...packageLaw().keys()]
          .filter((name) => !folders.has(name))
          .map((name) => `ARCHITECTURE.md: the row of ${name} has no folder; remove it until there is one`),
      ],
      'Each package has a row.',
    );
  });

  test('lets imports go down the rings only', () => {
    const findings: string[] = [];
    for (const { name, ring, packages } of packageLaw().values()) {
      for (const below of packages) {
        const other = packageLaw().get(below);
        if (other === undefined) findings.push(`ARCHITECTURE.md: ${name} may import ${below}, which has no row`);
        else if (other.ring > ring)
          findings.push(`ARCHITECTURE.md: ${name} (ring ${ring}) may not import ${below} (ring ${other.ring})`);
      }
    }
    assertNone(findings, 'Imports go down.');
  });

  test('allows no cycle between packages', () => {
    const findings: string[] = [];
    const visit = (name: string, way: readonly string[]): void => {
      if (way.includes(name)) findings.push(`ARCHITECTURE.md: ${[...way, name].join(' -> ')}`);
      else for (const below of packageLaw().get(name)?.packages ?? []) visit(below, [...way, name]);
    };
    for (const name of packageLaw().keys()) visit(name, []);
    assertNone(findings, 'Packages import one another in no circle.');
  });

  test('is read strictly', () => {
    const table =
      '| ring | package | one responsibility | may import | libraries | node modules |\n| --- | --- | --- | --- | --- | --- |\n';
    const row = readLaw(`${table}| 3 parts | routing | routes | kernel http | re2js | - |\n`).get('routing')!;
    assert.deepEqual([row.ring, [...row.packages], [...row.libraries]], [3, ['kernel', 'http'], ['re2js']]);
    assert.throws(() => readLaw(`${table}| 3 | routing | kernel |\n`), /six cells/);
    assert.throws(() => readLaw('no table'), /no table/);
  });
});

describe('a package.json', () => {
  test('depends on what the table allows, and on no more', () => {
    const findings: string[] = [];
    for (const { path, folder, content } of packageManifests()) {
      const law = packageLaw().get(folder);
      if (law === undefined) continue;
      for (const name of Object.keys(content.dependencies ?? {})) {
        const allowed = name.startsWith(scope) ? law.packages.has(name.slice(scope.length)) : law.libraries.has(name);
        if (!allowed)
          findings.push(
            `${path}: ${name} is not in the row of ${folder} in ARCHITECTURE.md; do without it or amend the law`,
          );
      }
    }
    assertNone(findings, 'Dependencies obey the package table.');
  });

  test('names each package that the sources import, and none that they do not', () => {
    const findings: string[] = [];
    // Tools of the whole project, which any test may use.
    const tools = Object.keys((readJson('package.json') as ManifestContent).devDependencies ?? {});
    for (const { path, folder, content } of packageManifests()) {
      const own = [...sourceFiles().values()].filter(({ owner }) => owner === folder);
      const dependencies = new Set(Object.keys(content.dependencies ?? {}));
      const development = new Set(Object.keys(content.devDependencies ?? {}));
      const used = new Set<string>();
      const usedByTests = new Set<string>();
      for (const file of own) {
        for (const { name, specifier, line } of bareImports(file)) {
          (file.production ? used : usedByTests).add(name);
          const known = dependencies.has(name) || (!file.production && (development.has(name) || tools.includes(name)));
          if (name === content.name)
            findings.push(`${file.path}:${line}: imports its own package by name; use a relative path`);
          else if (!known) {
            const where = file.production ? 'dependencies' : 'devDependencies';
            findings.push(
              `${file.path}:${line}: imports ${specifier}; add it to ${where} of ${path}, or do without it`,
            );
          }
        }
      }
      for (const name of programImports(folder)) used.add(name);
      // A package of one `export {};` is a place kept free: its dependencies say what will stand there.
      if (own.every(({ ownStatementLines, imports }) => ownStatementLines.length === 0 && imports.length === 0))
        continue;
      for (const name of dependencies) {
        if (!used.has(name))
          findings.push(
            `${path}: no source imports ${name}; remove it${usedByTests.has(name) ? ' or move it to devDependencies' : ''}`,
          );
      }
      for (const name of development) {
        if (!usedByTests.has(name)) findings.push(`${path}: no test imports ${name}; remove it from devDependencies`);
      }
    }
    assertNone(findings, 'package.json and imports agree.');
  });

  test('lets production code import what its row allows, type-only imports included', () => {
    const findings: string[] = [];
    for (const file of sourceFiles().values()) {
      const law = packageLaw().get(file.owner);
      if (law === undefined || !file.production) continue;
      for (const { name, specifier, line } of bareImports(file)) {
        const allowed = name.startsWith(scope) ? law.packages.has(name.slice(scope.length)) : law.libraries.has(name);
        if (!allowed)
          findings.push(
            `${file.path}:${line}: ${file.owner} may not import ${specifier} (package table of ARCHITECTURE.md)`,
          );
      }
      for (const { specifier, line } of file.imports) {
        if (!specifier.startsWith('node:') || law.nodeModules === null) continue;
        if (!law.nodeModules.has(specifier.slice('node:'.length))) {
          findings.push(
            `${file.path}:${line}: ${file.owner} is pure and may not import ${specifier}; take it through a port`,
          );
        }
      }
    }
    assertNone(findings, 'Imports obey the package table.');
  });

  test('exports one entry, and says its licence, version and module type', () => {
    const findings: string[] = [];
    for (const { path, folder, content } of packageManifests()) {
      if (content.name !== `${scope}${folder}`) findings.push(`${path}: the name is ${scope}${folder}`);
      if (content.license !== 'Apache-2.0') findings.push(`${path}: "license": "Apache-2.0"`);
      if (content.type !== 'module') findings.push(`${path}: "type": "module"`);
      if (Object.keys(content.exports ?? {}).join() !== '.') findings.push(`${path}: exports "." and nothing else`);
    }
    assertNone(findings, 'Packages look alike.');
  });
});

describe('imports', () => {
  test('enter another package by its name only', () => {
    const findings: string[] = [];
    for (const file of sourceFiles().values()) {
      for (const { specifier, line } of file.imports) {
        if (specifier.startsWith(scope) && specifier.split('/').length > 2) {
          findings.push(
            `${file.path}:${line}: ${specifier} is a deep import; export what is needed from the package's index.ts`,
          );
        }
      }
      for (const target of file.targets) {
        const other = /^packages\/([^/]+)\//.exec(target)?.[1] ?? '';
        // Programs are started by path and data is read by path; what is imported is a source.
        const imported = target.endsWith('.ts') && !target.endsWith('/main.ts');
        if (other === file.owner || !imported) continue;
        // Fixtures and cases of a package are no part of what it offers; a test of several packages may share them.
        if (file.testMaterial && sourceFiles().get(target)?.testMaterial === true) continue;
        findings.push(`${file.path}: reaches into ${target}; import ${other === '' ? 'only packages' : scope + other}`);
      }
    }
    assertNone(findings, 'No deep imports.');
  });

  test('end in .ts and name a file that exists', () => {
    const findings: string[] = [];
    for (const file of sourceFiles().values()) {
      for (const { specifier, line, kind } of file.imports) {
        if (!specifier.startsWith('.') || kind === 'url') continue;
        if (!/\.tsx?(?:\?|$)/.test(specifier)) findings.push(`${file.path}:${line}: write ${specifier}.ts`);
      }
      for (const target of file.targets) {
        if (/\.tsx?$/.test(target) && !sourceFiles().has(target)) findings.push(`${file.path}: there is no ${target}`);
      }
    }
    assertNone(findings, 'Relative imports are whole.');
  });

  test('form no circle of files, type-only imports included', () => {
    assertNone(circles(), 'Cut the circle: move what both need into a file of its own.');
  });

  test('of production code never reach a test, a bench or testkit', () => {
    const findings: string[] = [];
    for (const file of sourceFiles().values()) {
      if (!file.production || file.owner === '') continue;
      for (const target of file.targets) {
        if (isTestName(target)) findings.push(`${file.path}: imports ${target}, which is test material`);
      }
    }
    assertNone(findings, 'Production code stands without tests.');
  });

  test('leave no file dead: each is reached from an entry or from a test', () => {
    const reached = new Set<string>();
    const reach = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const target of sourceFiles().get(path)?.targets ?? []) reach(target);
    };
    for (const file of sourceFiles().values()) if (file.production || isProgram(file)) reach(file.path);
    assertNone(
      [...sourceFiles().keys()]
        .filter((path) => !reached.has(path))
        .map((path) => `${path}: nothing imports it; export it, test it or remove it`),
      'No dead files.',
    );
  });
});

/** Tests, benches and scripts are started by name. */
function isProgram({ path, text }: SourceFile): boolean {
  return isTestName(path) || path.endsWith('-bench.ts') || text.startsWith('#!') || path.endsWith('/main.ts');
}

function circles(): string[] {
  const found: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const way: string[] = [];
  const visit = (path: string): void => {
    state.set(path, 'open');
    way.push(path);
    const file = sourceFiles().get(path);
    for (const { specifier, kind } of file?.imports ?? []) {
      if (!specifier.startsWith('.') || kind === 'url') continue;
      const target = targetOf(path, specifier);
      if (!sourceFiles().has(target)) continue;
      const standing = state.get(target);
      if (standing === 'open') found.push([...way.slice(way.indexOf(target)), target].join(' -> '));
      else if (standing === undefined) visit(target);
    }
    way.pop();
    state.set(path, 'done');
  };
  for (const path of sourceFiles().keys()) if (!state.has(path)) visit(path);
  return found;
}
