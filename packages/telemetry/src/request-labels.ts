export type Direction = 'inbound' | 'outbound';

/**
 * What a request's series are named by, known when the rule has been matched and the backend drawn.
 *
 * All five come from configuration or from a verified certificate, never from the request: a caller cannot make a new
 * series by inventing paths, hosts or header values.
 */
export interface RequestScopeLabels {
  readonly direction: Direction;
  /** `namespace/service-account` of the caller as its certificate says; `unknown` without one. */
  readonly source: string;
  /** `namespace/name` of the backend Service, the one drawn from a weighted rule; `unknown` when none was drawn. */
  readonly destination: string;
  /** `namespace/name` of the route; empty without one. */
  readonly route: string;
  /** Name or index of the rule in its route; empty without one. */
  readonly rule: string;
  /** Port of the backend Service; empty when none was drawn. Written where the names are OpenTelemetry's. */
  readonly port: string;
}

/** Whose names the durations of requests have. Counters have no others than ours. */
export type MetricNames = 'Weft' | 'OpenTelemetry';
