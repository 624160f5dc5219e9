import { closeSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import type { Proxy } from '@weft/proxy';

/** What a supervisor learns when a proxy is ready. Map keys are texts: ports, or `namespace/service:port`. */
export interface ReadyLine {
  readonly pid: number;
  readonly identity: string;
  readonly version: string;
  readonly outboundPort: number;
  readonly inboundPorts: Readonly<Record<string, number>>;
  readonly gatewayPorts: Readonly<Record<string, number>>;
  readonly localPorts: Readonly<Record<string, number>>;
  readonly statsPort: number;
  readonly metricsPort: number;
  readonly adminSocket: string;
}

export function readyLine(proxy: Proxy): ReadyLine {
  return {
    pid: process.pid,
    identity: proxy.identity,
    version: proxy.stats().version,
    outboundPort: proxy.outboundPort,
    inboundPorts: Object.fromEntries(proxy.inboundPorts),
    gatewayPorts: Object.fromEntries(proxy.gatewayPorts),
    localPorts: Object.fromEntries(proxy.localPorts),
    statsPort: proxy.statsPort,
    metricsPort: proxy.metricsPort,
    adminSocket: proxy.adminSocket,
  };
}

/** Writes the line to the descriptor (-1: none; closed after, unless it is a standard one) and the file (empty: none). */
export function announceReady(line: ReadyLine, fd: number, file: string): void {
  const text = `${JSON.stringify(line)}\n`;
  if (fd >= 0) {
    writeSync(fd, text);
    if (fd > 2) closeSync(fd);
  }
  if (file !== '') {
    // Whoever polls for the file finds the whole line or nothing.
    const fresh = `${file}.${process.pid}.new`;
    writeFileSync(fresh, text, { mode: 0o600 });
    renameSync(fresh, file);
  }
}
