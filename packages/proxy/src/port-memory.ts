import { join } from 'node:path';
import { readSealedFile, writeSealedFile } from '@weft/identity';
import type { StateFolder } from '@weft/identity';

const PORTS_FILE = 'ports';
const PORTS_BYTES = 65_536;

/**
 * Ports of the life before, by the name of their listener. Peers and the application know them: a sidecar that restarts
 * while the control plane is away must be found where it was.
 */
export class PortMemory {
  private readonly folder: StateFolder | null;
  private readonly before: ReadonlyMap<string, number>;

  /** Null remembers nothing. */
  constructor(folder: StateFolder | null) {
    this.folder = folder;
    this.before = folder === null ? new Map() : read(folder);
  }

  /** Opens on the port of the life before; on any free one when there was none or somebody took it meanwhile. */
  async open(name: string, open: (port: number) => Promise<number>): Promise<number> {
    const port = this.before.get(name);
    if (port === undefined) return open(0);
    try {
      return await open(port);
    } catch {
      return open(0);
    }
  }

  /** The empty string, or why the ports could not be stored. */
  store(ports: ReadonlyMap<string, number>): string {
    if (this.folder === null) return '';
    const lines = Array.from(ports, ([name, port]) => `${name} ${port}\n`);
    const written = writeSealedFile(join(this.folder.path, PORTS_FILE), lines.join(''));
    return written.ok ? '' : written.error.message;
  }
}

function read(folder: StateFolder): Map<string, number> {
  const ports = new Map<string, number>();
  const stored = readSealedFile(join(folder.path, PORTS_FILE), PORTS_BYTES);
  if (!stored.ok) return ports;
  for (const line of stored.value.toString('latin1').split('\n')) {
    const entry = /^(inbound \d+|outbound) (\d{1,5})$/.exec(line);
    if (entry !== null) ports.set(entry[1]!, Number(entry[2]));
  }
  return ports;
}
