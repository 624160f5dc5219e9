import type { RouteRule } from '@weft/model';
import { compileMatchTable } from '@weft/routing';

/** What is wrong with a regular expression, asked of the engine that sidecars compile it with; undefined when nothing is. */
export function checkPattern(pattern: string): string | undefined {
  const compiled = compileMatchTable([ruleWith(pattern)]);
  return compiled.ok ? undefined : (compiled.error[0]?.message ?? 'it does not compile');
}

/** The value of a query parameter is matched as a whole, by any pattern: a path would have to begin with a slash. */
function ruleWith(pattern: string): RouteRule {
  const budget = { percent: 0, minimumPerSecond: 0, windowMs: 0 };
  const query = { type: 'RegularExpression', name: 'q', value: pattern } as const;
  return {
    route: '',
    rule: '',
    hostnames: [],
    matches: [{ path: { type: 'PathPrefix', value: '/' }, method: '', headers: [], queries: [query] }],
    filters: [],
    backends: [],
    timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 0, streamIdleMs: 0 },
    retries: {
      attempts: 0,
      on: [],
      statuses: [],
      grpcStatuses: [],
      anyMethod: false,
      backoffBaseMs: 0,
      backoffMaxMs: 0,
      bodyLimitBytes: 0,
      budget,
    },
  };
}
