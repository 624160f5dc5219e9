import {
  type FSWatcher,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Result, type Timer, type TimerWheel, fail, ok } from '@weft/kernel';
import { chainPlugin, configurationFiles, unchainPlugin } from './network-configuration.ts';
import { type PluginPlace, pluginType, toolsFolder, writePluginScript } from './plugin-script.ts';

export interface PluginInstallOptions extends PluginPlace {
  /** Folder of network configurations on the node: `/etc/cni/net.d`. */
  readonly configurationFolder: string;
  /** The file to stand in; empty: the one that runtimes take, the first. */
  readonly configurationFile: string;
  /** Folder of the tools that the plugin is written for: `busybox`, `nft`, `ld.so` and libraries. */
  readonly toolsSource: string;
  readonly wheel: TimerWheel;
  /** What changed on the node, and what is in the way; each once. */
  readonly onWord: (level: 'info' | 'warn', message: string) => void;
}

/** Ends in what no runtime reads. */
const SAVED = '.weft-saved';
/** Where a change was not heard of. */
const LOOK_MS = 10_000;

/**
 * Our place on the node: two programs, and a line in the configuration of the network of pods. Whoever owns that configuration may
 * write it anew at any time; then the line is added again. Files are replaced, never changed: a runtime reads whole ones.
 */
export class PluginInstall {
  private readonly options: PluginInstallOptions;
  private watcher: FSWatcher | null;
  private timer: Timer | null;
  private lastWord: string;

  constructor(options: PluginInstallOptions) {
    this.options = options;
    this.watcher = null;
    this.timer = null;
    this.lastWord = '';
  }

  /** Writes the programs. Throws the system's error. */
  placePrograms(): void {
    const { programFolder, toolsSource } = this.options;
    const tools = join(programFolder, toolsFolder);
    mkdirSync(tools, { recursive: true });
    for (const name of readdirSync(toolsSource))
      replace(join(tools, name), readFileSync(join(toolsSource, name)), 0o755);
    replace(join(programFolder, pluginType), Buffer.from(writePluginScript(this.options)), 0o755);
  }

  /** Puts the plugin into the configuration, now and whenever it is missing. `onState` hears when that is so, and when not. */
  keep(onState: (chained: boolean) => void): void {
    const look = (): void => {
      const chained = this.chain();
      const word = chained.ok ? '' : chained.error;
      if (word !== '' && word !== this.lastWord) this.options.onWord('warn', word);
      this.lastWord = word;
      onState(chained.ok);
    };
    this.timer = this.options.wheel.create(() => {
      look();
      this.timer?.reschedule(LOOK_MS);
    });
    look();
    this.timer.reschedule(LOOK_MS);
    try {
      this.watcher = watch(this.options.configurationFolder, look);
      this.watcher.on('error', () => {});
    } catch {
      // No folder yet: it is looked for again.
    }
  }

  /** Leaves things as they are. */
  stop(): void {
    this.watcher?.close();
    this.timer?.cancel();
    this.timer = null;
  }

  /** Takes the plugin out of the configuration and its programs off the node. */
  remove(): void {
    this.stop();
    const { configurationFolder, programFolder } = this.options;
    for (const file of filesOf(configurationFolder)) {
      const path = join(configurationFolder, file);
      const saved = readdirSync(configurationFolder).find(
        (name) => name.endsWith(SAVED) && file === name.slice(0, -SAVED.length).replace(/\.[^.]+$/, '.conflist'),
      );
      const without = unchainPlugin(readFileSync(path, 'utf8'));
      if (without === undefined) continue;
      if (saved === undefined) replace(path, Buffer.from(without), 0o600);
      else {
        renameSync(join(configurationFolder, saved), join(configurationFolder, saved.slice(0, -SAVED.length)));
        rmSync(path);
      }
      this.options.onWord('info', `${file} is without ${pluginType} again`);
    }
    for (const name of [pluginType, toolsFolder]) rmSync(join(programFolder, name), { force: true, recursive: true });
  }

  private chain(): Result<void, string> {
    const { configurationFolder, configurationFile } = this.options;
    const reasons: string[] = [];
    const files = configurationFile === '' ? filesOf(configurationFolder) : [configurationFile];
    for (const file of files) {
      const path = join(configurationFolder, file);
      if (!existsSync(path)) continue;
      const chained = chainPlugin(file, readFileSync(path, 'utf8'));
      if (!chained.ok) {
        reasons.push(chained.error);
        continue;
      }
      if (chained.value.unchanged) return ok(undefined);
      replace(join(configurationFolder, chained.value.file), Buffer.from(chained.value.text), 0o600);
      if (chained.value.file !== file) renameSync(path, `${path}${SAVED}`);
      this.options.onWord('info', `${chained.value.file} now ends with ${pluginType}`);
      return ok(undefined);
    }
    return fail(['there is no network configuration to stand in yet', ...reasons].join('; '));
  }
}

function filesOf(folder: string): string[] {
  return existsSync(folder) ? configurationFiles(readdirSync(folder)) : [];
}

/** Whole or not at all, also for who loses power. Does nothing when it is so already. */
function replace(path: string, content: Buffer, mode: number): void {
  if (existsSync(path) && readFileSync(path).equals(content)) return;
  // The name is one that runtimes pass over.
  const temporary = `${path}.weft-new`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, 'wx', mode);
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
}
