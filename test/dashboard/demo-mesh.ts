import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../packages/demo/src/main.ts', import.meta.url));
const START_MS = 60_000;

/** `npm run demo` with its traffic, as a process of its own. */
export class DemoMesh {
  /** With the token in its fragment. */
  readonly url: string;
  /** Folder of YAML that the mesh is configured by. */
  readonly configFolder: string;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, url: string, configFolder: string) {
    this.child = child;
    this.url = url;
    this.configFolder = configFolder;
  }

  static async start(): Promise<DemoMesh> {
    const child = spawn(process.execPath, [program, '--seconds', '3600'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const found = Promise.withResolvers<DemoMesh>();
    const timer = setTimeout(() => found.reject(new Error('the demo did not start in a minute')), START_MS);
    child.once('exit', (code) => found.reject(new Error(`the demo ended with ${code}`)));
    let url = '';
    createInterface(child.stdout!).on('line', (line) => {
      const address = /^dashboard\s+(http\S+)/.exec(line)?.[1];
      const folder = /^configuration\s+(\S+?):/.exec(line)?.[1];
      if (address !== undefined) url = address;
      if (folder !== undefined && url !== '') found.resolve(new DemoMesh(child, url, folder));
    });
    try {
      return await found.promise;
    } catch (error) {
      child.kill('SIGTERM');
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.child.exitCode !== null) return;
    this.child.once('exit', () => resolve());
    this.child.kill('SIGTERM');
    await promise;
  }
}
