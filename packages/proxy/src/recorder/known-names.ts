import type { CompiledRule, RouteTable } from '@weft/decision';
import { PathKind, type RouteEntry } from '@weft/routing';

/** Names of one ring. They come from configuration and certificates; more than this are there after many changes only. */
const MOST_NAMES = 8_192;

/** What a request was matched by, as far as it outlives the configuration it came from. */
export interface MatchFacts {
  readonly route: string;
  readonly rule: string;
  /** `PathPrefix /orders`. */
  readonly match: string;
  readonly backends: readonly { readonly backend: string; readonly weight: number }[];
  readonly requestTimeoutMs: number;
  readonly tryTimeoutMs: number;
  readonly retriesAllowed: number;
  /** Gone when the routes were replaced: then nobody can tell any more what was passed over. */
  readonly routes: WeakRef<RouteTable> | null;
  /** Fields whose values the matches ask for, in the order in which a record holds them; null: too many to hold. */
  readonly asked: readonly string[] | null;
  readonly asksQuery: boolean;
}

const NOTHING: MatchFacts = {
  route: '',
  rule: '',
  match: '',
  backends: [],
  requestTimeoutMs: 0,
  tryTimeoutMs: 0,
  retriesAllowed: 0,
  routes: null,
  asked: [],
  asksQuery: false,
};

const MOST_ASKED = 12;
const MOST_BACKENDS = 64;

/** Numbers for texts and matches, so that a record holds two bytes of each. 0 is the empty text and no match. */
export class KnownNames {
  private readonly numbers: Map<string, number>;
  private readonly texts: string[];
  private readonly matchNumbers: WeakMap<object, number>;
  private readonly matches: MatchFacts[];

  constructor() {
    this.numbers = new Map([['', 0]]);
    this.texts = [''];
    this.matchNumbers = new WeakMap();
    this.matches = [NOTHING];
  }

  /** No room for the names of one more record. */
  get isFull(): boolean {
    return this.texts.length + 16 > MOST_NAMES || this.matches.length + 1 > MOST_NAMES;
  }

  numberOf(text: string): number {
    const known = this.numbers.get(text);
    if (known !== undefined) return known;
    this.texts.push(text);
    this.numbers.set(text, this.texts.length - 1);
    return this.texts.length - 1;
  }

  textOf(number: number): string {
    return this.texts[number] ?? '';
  }

  /** `rule` undefined: nothing matched in `routes`; `entry` null: the rule is not one of `routes`. */
  matchOf(routes: RouteTable | undefined, rule: CompiledRule | undefined, entry: RouteEntry | null): number {
    const key = entry ?? rule ?? routes;
    if (key === undefined) return 0;
    const known = this.matchNumbers.get(key);
    if (known !== undefined) return known;
    this.matches.push(describe(routes, rule, entry));
    this.matchNumbers.set(key, this.matches.length - 1);
    return this.matches.length - 1;
  }

  match(number: number): MatchFacts {
    return this.matches[number] ?? NOTHING;
  }
}

function describe(
  routes: RouteTable | undefined,
  rule: CompiledRule | undefined,
  entry: RouteEntry | null,
): MatchFacts {
  const asked = new Set<string>();
  let asksQuery = false;
  for (const { conditions } of routes?.match.entries ?? []) {
    for (const { field, name } of conditions) {
      if (field === 'header') asked.add(name);
      else asksQuery = true;
    }
  }
  if (routes?.cors === true) for (const name of ['origin', 'access-control-request-method']) asked.add(name);
  return {
    route: rule?.route ?? '',
    rule: rule?.rule ?? '',
    match: entry === null ? '' : matchText(entry),
    backends: (rule?.backends ?? []).slice(0, MOST_BACKENDS).map(({ key, weight }) => ({ backend: key, weight })),
    requestTimeoutMs: rule?.timeouts.requestMs ?? 0,
    tryTimeoutMs: rule?.timeouts.backendRequestMs ?? 0,
    retriesAllowed: rule?.retries.attempts ?? 0,
    routes: routes === undefined ? null : new WeakRef(routes),
    asked: asked.size > MOST_ASKED ? null : [...asked],
    asksQuery,
  };
}

const pathKinds = {
  [PathKind.Exact]: 'Exact',
  [PathKind.Pattern]: 'RegularExpression',
  [PathKind.Prefix]: 'PathPrefix',
};

function matchText({ grpc, path, pathKind }: RouteEntry): string {
  return `${grpc ? 'gRPC' : pathKinds[pathKind]} ${path === '' ? '/' : path}`;
}
