/** Release points: CHANGELOG names each with its commit, `## [0.2.0] - 2026-11-22 (40b39e1)`. */
import { readFileSync } from 'node:fs';

export interface Release {
  readonly version: string;
  readonly commit: string;
}

const HEADING = /^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2} \(([0-9a-f]{7,40})\)$/gm;

/** Newest first. */
export function readReleases(): Release[] {
  const text = readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8');
  return Array.from(text.matchAll(HEADING), ([, version, commit]) => ({ version: version!, commit: commit! }));
}
