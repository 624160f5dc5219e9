import type { LocalReply } from '@weft/http';
import type { Cors } from '@weft/model';
import type { RequestView } from '@weft/routing';
import { GO_ON, type Step, type Verdict } from './step.ts';

/** Positions of the values in the slots of a response whose rule has a CORS filter; before them stands `content-type`. */
export const CorsSlot = { AllowOrigin: 2, AllowCredentials: 3, ExposeHeaders: 4, Vary: 5 } as const;

/** What the upstream says of its own is dropped: one voice decides. */
export const corsResponseSlots = [
  { name: 'access-control-allow-origin', mode: 'own' },
  { name: 'access-control-allow-credentials', mode: 'own' },
  { name: 'access-control-expose-headers', mode: 'own' },
  { name: 'vary', mode: 'add' },
] as const;

/**
 * The CORS filter of a rule (Gateway API `HTTPCORSFilter`; Fetch §3.2): preflights are answered without the upstream, other
 * responses are marked for the origins that may read them. Requests are let through in any case: it is the browser that
 * withholds the answer.
 */
export class CorsRule {
  readonly #exact: ReadonlySet<string>;
  readonly #wildcards: readonly OriginWildcard[];
  readonly #any: boolean;
  readonly #cors: Cors;
  readonly #allowMethods: string;
  readonly #allowHeaders: string;
  readonly exposeHeaders: string | undefined;

  constructor(cors: Cors) {
    const exact = new Set<string>();
    const wildcards: OriginWildcard[] = [];
    for (const origin of cors.allowOrigins) {
      const star = origin.indexOf('*');
      if (origin === '*') continue;
      else if (star < 0) exact.add(canonicalOrigin(origin));
      else wildcards.push(compileWildcard(canonicalOrigin(origin)));
    }
    this.#exact = exact;
    this.#wildcards = wildcards;
    this.#any = cors.allowOrigins.includes('*');
    this.#cors = cors;
    this.#allowMethods = cors.allowMethods.join(', ');
    this.#allowHeaders = cors.allowHeaders.join(', ');
    this.exposeHeaders = cors.exposeHeaders.length === 0 ? undefined : cors.exposeHeaders.join(', ');
  }

  /** The value of `Access-Control-Allow-Origin` for a page of `origin`; undefined when it may not read. */
  allowedOrigin(origin: string): string | undefined {
    if (this.#any) return this.#cors.allowCredentials ? origin : '*';
    const canonical = canonicalOrigin(origin.toLowerCase());
    if (this.#exact.has(canonical) || this.#wildcards.some((wildcard) => covers(wildcard, canonical))) return origin;
    return undefined;
  }

  /** Undefined unless the filter allows credentials. */
  get credentials(): 'true' | undefined {
    return this.#cors.allowCredentials ? 'true' : undefined;
  }

  /** Undefined when the answer is the same for every origin. */
  get vary(): 'Origin' | undefined {
    return this.#any && !this.#cors.allowCredentials ? undefined : 'Origin';
  }

  /** Fields that mark a reply of our own for a page of `origin`; '' is no page. */
  replyFields(origin: string): LocalReply['fields'] {
    const allowed = origin === '' ? undefined : this.allowedOrigin(origin);
    const fields: { name: string; value: string }[] = [];
    if (this.vary !== undefined) fields.push({ name: 'vary', value: this.vary });
    if (allowed === undefined) return fields;
    fields.push({ name: 'access-control-allow-origin', value: allowed });
    if (this.credentials !== undefined) fields.push({ name: 'access-control-allow-credentials', value: 'true' });
    if (this.exposeHeaders !== undefined) {
      fields.push({ name: 'access-control-expose-headers', value: this.exposeHeaders });
    }
    return fields;
  }

  /** The answer to a preflight: 204 in any case, with permissions when the origin has any. */
  preflightReply(view: RequestView): LocalReply {
    const origin = view.valueOf('origin') ?? '';
    const allowed = this.allowedOrigin(origin);
    const fields = [{ name: 'vary', value: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers' }];
    if (allowed !== undefined) {
      const add = (name: string, value: string): void => {
        if (value !== '') fields.push({ name, value });
      };
      add('access-control-allow-origin', allowed);
      add('access-control-allow-credentials', this.credentials ?? '');
      add('access-control-allow-methods', this.#word(this.#allowMethods, view, 'access-control-request-method'));
      add('access-control-allow-headers', this.#word(this.#allowHeaders, view, 'access-control-request-headers'));
      add('access-control-max-age', String(this.#cors.maxAgeS));
    }
    return { status: 204, fields, contentType: '', body: '' };
  }

  /** With credentials a browser takes `*` literally, so what was asked for is said instead. */
  #word(list: string, view: RequestView, asked: string): string {
    return list === '*' && this.#cors.allowCredentials ? (view.valueOf(asked) ?? '') : list;
  }
}

/** Answers preflights of a rule. */
export class CorsStep implements Step {
  readonly name = 'cors';
  readonly #rule: CorsRule;

  constructor(rule: CorsRule) {
    this.#rule = rule;
  }

  run(view: RequestView): Verdict {
    if (!isPreflight(view)) return GO_ON;
    return { kind: 'reply', reply: this.#rule.preflightReply(view), code: 'filter-replied' };
  }
}

/** Fetch §3.2.3: `OPTIONS` with an origin and the method that is to follow. */
export function isPreflight(view: RequestView): boolean {
  if (view.method !== 'OPTIONS') return false;
  return view.valueOf('origin') !== undefined && view.valueOf('access-control-request-method') !== undefined;
}

/** The request that a preflight asks about, as far as it is known: its headers are not. */
export class AnnouncedRequest implements RequestView {
  readonly method: string;
  readonly #preflight: RequestView;

  constructor(preflight: RequestView) {
    this.method = preflight.valueOf('access-control-request-method') ?? '';
    this.#preflight = preflight;
  }

  get path(): string {
    return this.#preflight.path;
  }

  get query(): string {
    return this.#preflight.query;
  }

  get authority(): string {
    return this.#preflight.authority;
  }

  valueOf(lowerCaseName: string): string | undefined {
    return this.#preflight.valueOf(lowerCaseName);
  }
}

interface OriginWildcard {
  /** Up to the star: `https://`. */
  readonly before: string;
  readonly after: string;
  readonly port: string;
}

/** A port that is the scheme's own is left out, as browsers do. */
function canonicalOrigin(origin: string): string {
  if (origin.startsWith('http://') && origin.endsWith(':80')) return origin.slice(0, -3);
  return origin.startsWith('https://') && origin.endsWith(':443') ? origin.slice(0, -4) : origin;
}

function compileWildcard(origin: string): OriginWildcard {
  const star = origin.indexOf('*');
  const rest = origin.slice(star + 1);
  const colon = rest.lastIndexOf(':');
  const port = colon < 0 ? '' : rest.slice(colon);
  return { before: origin.slice(0, star), after: colon < 0 ? rest : rest.slice(0, colon), port };
}

/** The star stands for one character or more, dots included, to the left of what follows it. */
function covers({ before, after, port }: OriginWildcard, origin: string): boolean {
  if (!origin.startsWith(before)) return false;
  const rest = origin.slice(before.length);
  const end = /:[0-9]+$/.exec(rest);
  if ((end?.[0] ?? '') !== port) return false;
  const host = end === null ? rest : rest.slice(0, end.index);
  return host.length > after.length && host.endsWith(after);
}
