// Ends what its parent started, whatever ends the parent, kill -9 included: the parent's death closes standard input.
// Lines: "+PID" and "-PID" (process groups), "folder PATH" (removed at the end), "bye" (the parent has cleaned up itself).
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const GRACE_MS = 1_500;
const groups = new Set();
const folders = new Set();
let clean = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  if (line.startsWith('+')) groups.add(Number(line.slice(1)));
  else if (line.startsWith('-')) groups.delete(Number(line.slice(1)));
  else if (line.startsWith('folder ')) folders.add(line.slice('folder '.length));
  else if (line === 'bye') clean = true;
});
lines.on('close', () => {
  if (clean) process.exit(0);
  end('SIGTERM');
  setTimeout(() => {
    end('SIGKILL');
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    process.exit(0);
  }, GRACE_MS);
});

function end(signal) {
  for (const group of groups) {
    try {
      process.kill(-group, signal);
    } catch {
      groups.delete(group);
    }
  }
}
