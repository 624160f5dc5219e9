import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type SyntaxFacts, readSyntax } from './syntax-facts.ts';

export const root: string = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** One TypeScript file. Paths are relative to the root, with `/`. */
export interface SourceFile extends SyntaxFacts {
  readonly path: string;
  /** Folder name under `packages/`; empty for `test/` and `deploy/`. */
  readonly owner: string;
  readonly text: string;
  /** Reached from an entry of its package without passing a test: what runs in production. */
  readonly production: boolean;
  /** A test by its name, or reached from one and from no entry. */
  readonly testMaterial: boolean;
  /** Files that its relative imports name, url ones included, each once. */
  readonly targets: readonly string[];
}

export interface Manifest {
  readonly path: string;
  /** Folder name under `packages/`. */
  readonly folder: string;
  readonly content: ManifestContent;
}

export interface ManifestContent {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly type?: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/** Programs that are started by path; what they reach is production code as well as what `index.ts` reaches. */
const entryNames: ReadonlySet<string> = new Set([
  'index.ts',
  'main.ts',
  'proxy-main.ts',
  'control-main.ts',
  'capture-main.ts',
]);

let files: ReadonlyMap<string, SourceFile> | undefined;
let tracked: readonly string[] | undefined;
let manifests: readonly Manifest[] | undefined;

/** Every file of the project that git does not ignore, sorted. Without git, every file outside ignored folders. */
export function projectFiles(): readonly string[] {
  tracked ??= listFiles()
    .filter((path) => existsSync(join(root, path)))
    .sort();
  return tracked;
}

/** Every TypeScript source file by path. */
export function sourceFiles(): ReadonlyMap<string, SourceFile> {
  files ??= readSources();
  return files;
}

export function packageManifests(): readonly Manifest[] {
  manifests ??= projectFiles()
    .filter((path) => /^packages\/[^/]+\/package\.json$/.test(path))
    .map((path) => ({ path, folder: path.split('/')[1]!, content: readJson(path) as ManifestContent }));
  return manifests;
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export function readJson(path: string): unknown {
  return JSON.parse(readText(path));
}

/** The file that a relative import of `path` names. */
export function targetOf(path: string, specifier: string): string {
  // Vite takes what it is to make of a file after a question mark.
  return posix.join(dirname(path), specifier.replace(/\?.*$/, ''));
}

/** Whether a file is a test, a bench or a fuzzer by its name or folder. */
export function isTestName(path: string): boolean {
  return /\.(test|bench)\.tsx?$/.test(path) || /\/(bench|fuzz)\//.test(path) || path.startsWith('test/');
}

function readSources(): ReadonlyMap<string, SourceFile> {
  const paths = projectFiles().filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'));
  const read = new Map(
    paths.map((path) => {
      const text = readText(path);
      const facts = readSyntax(path, text);
      const targets = new Set(
        facts.imports
          .filter(({ specifier }) => specifier.startsWith('.'))
          .map(({ specifier }) => targetOf(path, specifier)),
      );
      return [path, { path, text, facts, targets: [...targets] }] as const;
    }),
  );
  const production = new Set<string>();
  const fromTests = new Set<string>();
  const reach = (path: string): void => {
    const file = read.get(path);
    if (file === undefined || production.has(path) || isTestName(path)) return;
    production.add(path);
    for (const target of file.targets) reach(target);
  };
  const reachFromTests = (path: string): void => {
    if (fromTests.has(path) || !read.has(path)) return;
    fromTests.add(path);
    for (const target of read.get(path)!.targets) reachFromTests(target);
  };
  for (const path of read.keys()) {
    const [top, , src, name, ...deeper] = path.split('/');
    if (top === 'packages' && src === 'src' && deeper.length === 0 && entryNames.has(name!)) reach(path);
    if (path.startsWith('deploy/build/') && !isTestName(path)) reach(path);
    if (isTestName(path)) reachFromTests(path);
  }
  return new Map(
    [...read.values()].map(({ path, text, facts, targets }) => [
      path,
      {
        ...facts,
        path,
        text,
        targets,
        owner: path.startsWith('packages/') ? path.split('/')[1]! : '',
        production: production.has(path),
        testMaterial: fromTests.has(path) && !production.has(path),
      },
    ]),
  );
}

function listFiles(): string[] {
  try {
    const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 1 << 26,
    });
    return [...new Set(listed.split('\0').filter((path) => path !== ''))];
  } catch {
    return walkFolder('');
  }
}

const ignoredFolders: ReadonlySet<string> = new Set(['node_modules', 'dist', '.git', 'coverage', '.weft']);

function walkFolder(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (ignoredFolders.has(entry.name)) return [];
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? walkFolder(path) : [path];
  });
}
