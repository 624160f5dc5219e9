/**
 * The suites' tools: each is fetched once, by the ordinary client of where it is published, into a folder of the user's cache,
 * and used again. Versions are those that the suites were written against.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { needTool, pathWithGo, runTool } from './tool-run.ts';

const FETCH_MS = 15 * 60_000;

/** `WEFT_CONFORMANCE_TOOLS`, or a folder in the user's cache. */
export function toolFolder(): string {
  const folder =
    process.env['WEFT_CONFORMANCE_TOOLS'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft-conformance');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A program of the Go module proxy, `module@version`; returns its path. Packages named alike get folders of their own. */
export async function goTool(name: string, moduleVersion: string): Promise<string> {
  const folder = join(toolFolder(), name);
  const built = (): string | undefined => (existsSync(folder) ? readdirSync(folder).at(0) : undefined);
  if (built() === undefined) {
    console.log(`installing ${moduleVersion}`);
    // One compiler at a time and last in line: these builds are large.
    const env = { GOBIN: folder, PATH: pathWithGo() };
    const args = ['-n', '10', 'go', 'install', '-p', '1', moduleVersion];
    await needTool('nice', args, { timeoutMs: FETCH_MS, env, cwd: toolFolder() });
  }
  return join(folder, built()!);
}

/** An artefact of Maven Central with all it needs at run time; returns the class path. */
export async function mavenClassPath(name: string, artefact: string): Promise<string> {
  const [group, id, version] = artefact.split(':') as [string, string, string];
  const folder = join(toolFolder(), name);
  if (!existsSync(folder)) {
    console.log(`installing ${artefact}`);
    const making = `${folder}.part`;
    rmSync(making, { recursive: true, force: true });
    mkdirSync(making, { recursive: true });
    const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>weft.conformance</groupId><artifactId>${name}</artifactId><version>1</version>
<dependencies><dependency><groupId>${group}</groupId><artifactId>${id}</artifactId><version>${version}</version></dependency></dependencies>
</project>
`;
    writeFileSync(join(making, 'pom.xml'), pom);
    const args = ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', '-DoutputDirectory=jars'];
    await needTool('mvn', args, { timeoutMs: FETCH_MS, cwd: making });
    renameSync(making, folder);
  }
  return join(folder, 'jars', '*');
}

/** Python packages in an environment of their own, `name==version` each; returns the interpreter. */
export async function pythonWith(name: string, packages: readonly string[]): Promise<string> {
  const folder = join(toolFolder(), name);
  const python = join(folder, 'bin', 'python');
  if (!existsSync(python)) {
    console.log(`installing ${packages.join(', ')}`);
    const making = `${folder}.part`;
    rmSync(making, { recursive: true, force: true });
    await needTool('python3', ['-m', 'venv', making], { timeoutMs: FETCH_MS });
    await needTool(join(making, 'bin', 'python'), ['-m', 'pip', 'install', '-q', ...packages], { timeoutMs: FETCH_MS });
    renameSync(making, folder);
  }
  return python;
}

/**
 * The source of a Debian package, unpacked; returns its folder. The system's own sources are used with `deb-src` added, from
 * lists of our own, so that nothing of the system changes.
 */
export async function debianSource(name: string): Promise<string> {
  const folder = join(toolFolder(), `${name}-source`);
  if (!existsSync(folder)) {
    console.log(`fetching the source of Debian's ${name}`);
    const making = `${folder}.part`;
    rmSync(making, { recursive: true, force: true });
    for (const part of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(making, part), { recursive: true });
    const release = await needTool('sh', ['-c', '. /etc/os-release && echo "$VERSION_CODENAME"'], {
      timeoutMs: 10_000,
    });
    const signed = '/usr/share/keyrings/debian-archive-keyring.gpg';
    const list = `deb-src [signed-by=${signed}] http://deb.debian.org/debian ${release.trim()} main\n`;
    writeFileSync(join(making, 'sources.list'), list);
    const options = [
      `Dir::Etc::sourcelist=${join(making, 'sources.list')}`,
      'Dir::Etc::sourceparts=-',
      `Dir::State::lists=${join(making, 'lists')}`,
      `Dir::Cache=${join(making, 'cache')}`,
      'APT::Sandbox::User=root',
    ].flatMap((option) => ['-o', option]);
    await needTool('apt-get', [...options, '-q', 'update'], { timeoutMs: FETCH_MS });
    const args = [...options, '-q', 'source', '--download-only', name];
    await needTool('apt-get', args, { timeoutMs: FETCH_MS, cwd: making });
    const archive = readdirSync(making).find((file) => file.includes('.orig.tar'));
    if (archive === undefined) throw new Error(`Debian's ${name} came without an archive`);
    mkdirSync(join(making, 'unpacked'));
    await needTool('tar', ['-xf', archive, '-C', 'unpacked', '--strip-components=1'], {
      timeoutMs: FETCH_MS,
      cwd: making,
    });
    renameSync(join(making, 'unpacked'), folder);
    rmSync(making, { recursive: true, force: true });
  }
  return folder;
}

/** Those of the programs that this machine does not have. */
export async function lacking(programs: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    programs.map(async (program) => {
      const env = { PATH: pathWithGo() };
      return (await runTool('sh', ['-c', `command -v ${program}`], { timeoutMs: 10_000, env })).code === 0;
    }),
  );
  return programs.filter((_, at) => !found[at]);
}
