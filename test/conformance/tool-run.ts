import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';

export interface ToolOutcome {
  /** Exit code; -1 when it was killed, by its time limit for one, or never began. */
  readonly code: number;
  /** Both streams as they came; the last megabyte. */
  readonly output: string;
}

export interface ToolOptions {
  readonly timeoutMs: number;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Hears the output as it comes. */
  readonly onOutput?: (text: string) => void;
}

const KEPT = 1 << 20;

/** Runs a program to its end, in a group of its own so that a time limit ends all of it. */
export function runTool(command: string, args: readonly string[], options: ToolOptions): Promise<ToolOutcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-KEPT);
        options.onOutput?.(text);
      });
    }
    const limit = setTimeout(() => {
      output += `\nended after ${options.timeoutMs} ms`;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    }, options.timeoutMs);
    child.once('error', (error) => {
      clearTimeout(limit);
      resolve({ code: -1, output: error.message });
    });
    child.once('close', (code) => {
      clearTimeout(limit);
      resolve({ code: code ?? -1, output });
    });
  });
}

/** The same, for what must succeed; throws with the end of its output. */
export async function needTool(command: string, args: readonly string[], options: ToolOptions): Promise<string> {
  const { code, output } = await runTool(command, args, options);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${output.trim().slice(-600)}`);
  return output;
}

/** PATH with the places where Go is usually put, since few shells have them. */
export function pathWithGo(): string {
  return [process.env['PATH'] ?? '', '/usr/local/go/bin'].join(delimiter);
}
