import type { LocalReply } from '@weft/http';
import type { Redirect } from '@weft/model';
import { type RequestView, type RouteEntry, hostOf } from '@weft/routing';
import type { Origin } from './origin.ts';
import { rewritePath } from './path-rewrite.ts';
import type { Step, StepContext, Verdict } from './step.ts';

/** Answers with the redirect of a rule. Gateway API `HTTPRequestRedirectFilter`; RFC 9110 §10.2.2, §15.4. */
export class RedirectStep implements Step {
  readonly name = 'redirect';
  readonly #redirect: Redirect;

  constructor(redirect: Redirect) {
    this.#redirect = redirect;
  }

  run(view: RequestView, context: StepContext): Verdict {
    const value = redirectLocation(this.#redirect, view, context.entry, context.origin);
    const status = this.#redirect.statusCode;
    const reply: LocalReply = { status, fields: [{ name: 'location', value }], contentType: '', body: '' };
    return { kind: 'reply', reply, code: 'filter-replied' };
  }
}

/**
 * The `Location` of a redirect: what it does not name is as in the request, the query always. The port, where none is
 * named, is the scheme's own when the scheme is named, else the listener's; 80 for http and 443 for https are left out.
 * A request without a host (HTTP/1.0) and a redirect without one give a path alone.
 */
export function redirectLocation(redirect: Redirect, view: RequestView, entry: RouteEntry, origin: Origin): string {
  const path = redirect.path === null ? view.path : rewritePath(redirect.path, entry, view.path);
  const target = view.query === '' ? path : `${path}?${view.query}`;
  const host = redirect.hostname === '' ? hostOf(view.authority) : redirect.hostname;
  if (host === '') return target;
  const scheme = redirect.scheme === '' ? origin.scheme : redirect.scheme;
  const ownPort = scheme === 'https' ? 443 : 80;
  const impliedPort = redirect.scheme === '' ? origin.port : ownPort;
  const port = redirect.port === 0 ? impliedPort : redirect.port;
  return `${scheme}://${host}${port === ownPort ? '' : `:${port}`}${target}`;
}
