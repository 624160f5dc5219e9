import type { Report } from '../schema/schema.ts';

/** Over all rules of a route, as the standard's own rules have it. */
const MOST_MATCHES = 128;

interface NamedRule {
  readonly name?: string;
  readonly matches?: readonly unknown[];
}

/** What holds for the rules of HTTPRoute and GRPCRoute together: how many matches, and that names are unique. */
export function checkRules(rules: readonly NamedRule[], report: Report): void {
  const matches = rules.reduce((count, each) => count + (each.matches?.length ?? 1), 0);
  if (matches > MOST_MATCHES) {
    report(['rules'], 'too-long', { message: `${matches} matches in all rules`, expected: `at most ${MOST_MATCHES}` });
  }
  const names = new Set<string>();
  for (const [index, { name }] of rules.entries()) {
    if (name === undefined) continue;
    if (names.has(name)) {
      report(['rules', index, 'name'], 'duplicate-entry', { message: `${name} names an earlier rule` });
    }
    names.add(name);
  }
}
