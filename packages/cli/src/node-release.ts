/** The first Node whose `tls` has no weakness known to us; SECURITY.md lists those of older ones. */
export const soundNode = '26.13.1';

/** One line for a person; empty when the version is sound. */
export function nodeWarning(version: string): string {
  if (compare(version, soundNode) >= 0) return '';
  return `Node ${version} has known weaknesses in tls (see SECURITY.md); use ${soundNode} or newer where you can`;
}

function compare(left: string, right: string): number {
  const a = left.split('.');
  const b = right.split('.');
  for (let part = 0; part < 3; part += 1) {
    const difference = Number.parseInt(a[part] ?? '0', 10) - Number.parseInt(b[part] ?? '0', 10);
    if (difference !== 0) return difference;
  }
  return 0;
}
