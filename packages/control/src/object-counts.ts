/** How many objects there are, and how many problems with them. */
import type { Problem } from '@weft/model';
import type { ConfigStore } from './config-store.ts';

export function countObjects(store: ConfigStore): { readonly inForce: number; readonly refused: number } {
  let inForce = 0;
  let refused = 0;
  for (const record of store.records.values()) {
    if (record.object !== undefined) inForce += 1;
    if (record.isRefused) refused += 1;
  }
  return { inForce, refused };
}

export function countProblems(store: ConfigStore): { readonly errors: number; readonly warnings: number } {
  let errors = 0;
  let warnings = 0;
  const count = (problems: readonly Problem[]): void => {
    for (const { severity } of problems) {
      if (severity === 'error') errors += 1;
      else warnings += 1;
    }
  };
  count(store.problems);
  for (const { problems } of store.records.values()) count(problems);
  return { errors, warnings };
}
