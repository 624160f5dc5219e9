import { closeSync, renameSync, writeFileSync, writeSync } from 'node:fs';

/**
 * Tells a supervisor that a process is ready: one JSON line to the descriptor (-1: none; closed after, unless it is a
 * standard one) and to the file (empty: none). Throws the system's error.
 */
export function writeReady(value: unknown, fd: number, file: string): void {
  const text = `${JSON.stringify(value)}\n`;
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
