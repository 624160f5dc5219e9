/** Fails with one line per finding, each naming the file and what to do. Where the check stands is no news: no stack. */
export function assertNone(findings: readonly string[], rule: string): void {
  if (findings.length === 0) return;
  const lines = [...new Set(findings)].sort().map((finding) => `  ${finding}`);
  const error = new Error(`${rule}\n${lines.join('\n')}\n`);
  error.stack = error.message;
  throw error;
}
