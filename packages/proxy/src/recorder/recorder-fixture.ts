import { RouteDecision, compileTables, decide } from '@weft/decision';
import { seededRandom } from '@weft/kernel';
import type { Clock } from '@weft/kernel';
import type { Resource, ResourceKey, RouteRule } from '@weft/model';
import type { Head } from '@weft/http';
import type { ExchangeFacts } from '../exchange/exchange-facts.ts';
import { backendPolicy, ingressOf, ordersKey, plainEndpoint, routeRule } from '../fixture/plane-fixture.ts';

export interface ExampleRequest {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** Exchanges that have ended, decided by real tables, for tests of what is remembered of them. */
export class ExampleExchanges {
  readonly clock: Clock;
  private readonly rules: readonly RouteRule[];
  private facts: Pick<ExchangeFacts, 'tables'>;
  private hash: number;

  constructor(clock: Clock, rules: readonly RouteRule[] = [routeRule()]) {
    this.clock = clock;
    this.rules = rules;
    this.hash = 1;
    this.facts = { tables: this.compile(rules) };
  }

  get version(): string {
    return this.facts.tables.version;
  }

  /** The routes are replaced by equal ones of another version. */
  replaceRoutes(rules: readonly RouteRule[] = this.rules): void {
    this.hash += 1;
    this.facts = { tables: this.compile(rules) };
  }

  exchange(request: ExampleRequest = {}, changed: Partial<ExchangeFacts> = {}): ExchangeFacts {
    const { tables } = this.facts;
    const head = headOf(request);
    const decision = new RouteDecision();
    decide(tables.destination(ordersKey)!.routes, head, () => 0, decision);
    const backend = decision.backend ?? null;
    return {
      ingress: ingressOf({}),
      decision,
      head,
      protocol: 'http1',
      tables,
      destination: ordersKey,
      startMs: 1_000,
      durationMs: 12.5,
      requestId: '9b2f2a34-6d0c-4b1e-8f53-2f0f3a9c4a11',
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      span: null,
      clientSpanId: '',
      firstTryMs: 1_000.25,
      status: 200,
      grpcStatus: -1,
      requestBytes: 3,
      responseBytes: 70_000,
      attempts: 1,
      upstreamMs: 9,
      connectMs: 2,
      tlsMs: 1.5,
      tryStartMs: 1_000.25,
      sentMs: 1_002.25,
      score: 4.5,
      rival: backend?.endpoints[1] ?? null,
      rivalScore: 7,
      requestDeadlineMs: Number.POSITIVE_INFINITY,
      failedTries: null,
      retried: false,
      budgetSpent: false,
      endpoint: backend?.endpoints[0] ?? null,
      backend,
      ...changed,
    };
  }

  private compile(rules: readonly RouteRule[]): ExchangeFacts['tables'] {
    const resources = new Map<ResourceKey, { resource: Resource; hash: string }>();
    const all: Resource[] = [
      { type: 'routes', name: ordersKey, rules },
      backendPolicy(),
      { type: 'endpoints', name: ordersKey, endpoints: [plainEndpoint(1, 'orders-1'), plainEndpoint(2, 'orders-2')] },
    ];
    for (const resource of all) {
      resources.set(`${resource.type}:${resource.name}`, { resource, hash: String(this.hash).padStart(16, '0') });
    }
    const environment = { clock: this.clock, random: seededRandom(1), zone: '', namespace: 'shop' };
    return compileTables(resources, undefined, environment).tables;
  }
}

/** As much of a head as is read of a request that has ended. */
function headOf({ method = 'GET', path = '/items/7', query = '', fields = {} }: ExampleRequest): Head {
  const names = Object.keys(fields);
  const head = {
    method,
    path,
    query,
    authority: 'orders.shop',
    count: names.length,
    name: (index: number) => names[index] ?? '',
    value: (index: number) => fields[names[index] ?? ''] ?? '',
    valueOf: (name: string) => fields[name],
  };
  return head as unknown as Head;
}
