import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { constants as systemConstants } from 'node:os';
import { delimiter, join } from 'node:path';
import { CommandFault, exitCodes } from '../exit-code.ts';

/** Where `bin/weft.cjs` keeps compiled code of Weft; not a place for that of other programs. */
const OWN_COMPILE_CACHE = /[\\/]weft[\\/]compile-cache$/;

type Environment = Readonly<Record<string, string | undefined>>;

export interface Program {
  readonly pid: number;
  /** As a shell would say it: the exit code, or 128 and the signal's number. */
  readonly ended: Promise<number>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts the program on this terminal. Throws a `CommandFault` when it cannot be. */
export async function startProgram(command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Program> {
  const child: ChildProcess = spawn(command, [...args], { stdio: 'inherit', env });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(new CommandFault(exitCodes.unwell, `${command} cannot be started (${error.code ?? error.message})`));
    });
  });
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? 128 + systemConstants.signals[signal!]));
  });
  return { pid: child.pid!, ended, kill: (signal) => void child.kill(signal) };
}

/** Throws a `CommandFault` when no such program can be run: said before a sidecar is started for it. */
export function checkProgram(command: string, env: Environment): void {
  const places = command.includes('/')
    ? [command]
    : (env['PATH'] ?? '').split(delimiter).map((folder) => join(folder === '' ? '.' : folder, command));
  if (places.some(isExecutable)) return;
  throw new CommandFault(exitCodes.usage, `there is no program ${command}; check its name, or give its path`);
}

/**
 * What the program gets beyond the present environment: requests to plain `http://` go to the sidecar, and those to this
 * machine do not. Names in both cases, because programs differ in which they read; `NODE_USE_ENV_PROXY` is Node's switch.
 */
export function programEnvironment(env: NodeJS.ProcessEnv, outboundPort: number): NodeJS.ProcessEnv {
  const proxy = `http://127.0.0.1:${outboundPort}`;
  const { WEFT_TOKEN: _secret, ...kept } = env;
  if (OWN_COMPILE_CACHE.test(kept['NODE_COMPILE_CACHE'] ?? '')) delete kept['NODE_COMPILE_CACHE'];
  const noProxy = withLoopback(env['NO_PROXY'] ?? env['no_proxy'] ?? '');
  return {
    ...kept,
    http_proxy: proxy,
    HTTP_PROXY: proxy,
    NODE_USE_ENV_PROXY: '1',
    NO_PROXY: noProxy,
    no_proxy: noProxy,
  };
}

function withLoopback(list: string): string {
  const entries = list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  return [...new Set([...entries, '127.0.0.1', 'localhost', '::1'])].join(',');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
