import { terminationCodes } from '@weft/outcome';
import { OpenTelemetryDurations } from './open-telemetry-durations.ts';
import type { Direction, MetricNames, RequestScopeLabels } from './request-labels.ts';
import type { Counter, Gauge, LatencyHistogram } from './series.ts';
import type { SeriesFamily, SeriesTable } from './series-table.ts';

/** What is counted for each upstream Service, beside the requests that callers see. */
export interface UpstreamScope {
  readonly attempts: Counter;
  /** Retries that were wanted and not made, because the budget was used up. */
  readonly budgetExhausted: Counter;
  /** Time to establish a connection, TLS included. */
  readonly connectDuration: LatencyHistogram;
  /** Retries made. `reason` is a word of `retries.on`, `Statuses` or `GrpcStatuses`. */
  retry(reason: string): void;
}

/** Beyond this many combinations of the five labels, requests share one scope named `other`. */
const MAX_SCOPES = 4_096;

const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']);
// IANA's registry of status codes. An upstream may send any of 900: unknown ones are counted by their class.
const KNOWN_STATUSES = new Set([
  100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400,
  401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426,
  428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
]);

/** google.rpc.Code has 0 to 16; what a server invents besides is one label. */
const GRPC_STATUSES = 17;
const NO_GRPC = 18;
const GRPC_FACTOR = 19;

const requestLabels = [
  'direction',
  'source',
  'destination',
  'route',
  'rule',
  'method',
  'code',
  'termination',
  'grpc_status',
];

/**
 * The metrics of requests.
 *
 * `weft_requests_total` has all labels, because a counter is one number. The histogram leaves out rule, method, code
 * and termination, which would multiply its seventeen buckets, and keeps `result`: fast refusals must not look like a
 * fast service.
 */
export class RequestMetrics {
  private readonly families: RequestFamilies;
  private readonly table: SeriesTable;
  private readonly scopes: Map<string, RequestScope>;
  private readonly upstreams: Map<string, UpstreamScope>;
  private names: MetricNames;

  constructor(table: SeriesTable) {
    this.table = table;
    this.names = 'Weft';
    this.families = {
      openTelemetry: new OpenTelemetryDurations(table),
      requests: table.counter({
        name: 'weft_requests_total',
        help: 'Requests that ended, by how they ended.',
        labels: requestLabels,
      }),
      durations: table.latencyHistogram({
        name: 'weft_request_duration_seconds',
        help: 'Time from the first byte of a request to the last byte of its response.',
        unit: 'seconds',
        labels: ['direction', 'source', 'destination', 'route', 'result'],
      }),
      active: table.gauge({
        name: 'weft_requests_active',
        help: 'Requests between their head and their end.',
        labels: ['direction', 'destination'],
      }),
      requestBytes: table.counter({
        name: 'weft_request_body_bytes_total',
        help: 'Bytes of request bodies.',
        unit: 'bytes',
        labels: ['direction', 'source', 'destination'],
      }),
      responseBytes: table.counter({
        name: 'weft_response_body_bytes_total',
        help: 'Bytes of response bodies.',
        unit: 'bytes',
        labels: ['direction', 'source', 'destination'],
      }),
      attempts: table.counter({
        name: 'weft_upstream_attempts_total',
        help: 'Requests sent to endpoints, retries included.',
        labels: ['destination'],
      }),
      retries: table.counter({
        name: 'weft_upstream_retries_total',
        help: 'Retries made, by what admitted them.',
        labels: ['destination', 'reason'],
      }),
      budgetExhausted: table.counter({
        name: 'weft_upstream_retry_budget_exhausted_total',
        help: 'Retries not made because the budget was used up.',
        labels: ['destination'],
      }),
      connects: table.latencyHistogram({
        name: 'weft_upstream_connect_duration_seconds',
        help: 'Time to establish a connection to an endpoint, TLS included.',
        unit: 'seconds',
        labels: ['destination'],
      }),
    };
    this.scopes = new Map();
    this.upstreams = new Map();
  }

  /** Of the table these metrics are in. */
  setMaxSeries(maxSeries: number): void {
    this.table.setMaxSeries(maxSeries);
  }

  /** For scopes asked for from now on. */
  setNames(names: MetricNames): void {
    this.names = names;
  }

  /** The scope of these labels, the same object each time. For route tables and connections to keep. */
  scope(labels: RequestScopeLabels): RequestScope {
    const { direction, source, destination, route, rule, port } = labels;
    const key = JSON.stringify([direction, source, destination, route, rule, port, this.names]);
    const known = this.scopes.get(key);
    if (known !== undefined) return known;
    if (this.scopes.size >= MAX_SCOPES) return this.otherScope(direction);
    const scope = new RequestScope(this.families, labels, this.names);
    this.scopes.set(key, scope);
    return scope;
  }

  /** The upstream side of one Service, `namespace/name`; the same object each time. */
  upstream(destination: string): UpstreamScope {
    const known = this.upstreams.get(destination);
    if (known !== undefined) return known;
    if (this.upstreams.size >= MAX_SCOPES && destination !== OTHER) return this.upstream(OTHER);
    const scope = new UpstreamCounters(this.families, destination);
    this.upstreams.set(destination, scope);
    return scope;
  }

  private otherScope(direction: Direction): RequestScope {
    const key = `other ${direction} ${this.names}`;
    let scope = this.scopes.get(key);
    if (scope === undefined) {
      const labels = { direction, source: OTHER, destination: OTHER, route: OTHER, rule: OTHER, port: '' };
      scope = new RequestScope(this.families, labels, this.names);
      this.scopes.set(key, scope);
    }
    return scope;
  }
}

const OTHER = 'other';

interface RequestFamilies {
  readonly openTelemetry: OpenTelemetryDurations;
  readonly requests: SeriesFamily<Counter>;
  readonly durations: SeriesFamily<LatencyHistogram>;
  readonly active: SeriesFamily<Gauge>;
  readonly requestBytes: SeriesFamily<Counter>;
  readonly responseBytes: SeriesFamily<Counter>;
  readonly attempts: SeriesFamily<Counter>;
  readonly retries: SeriesFamily<Counter>;
  readonly budgetExhausted: SeriesFamily<Counter>;
  readonly connects: SeriesFamily<LatencyHistogram>;
}

/** What all requests of one ending are counted by. */
interface EndingSeries {
  readonly count: Counter;
  readonly durations: LatencyHistogram;
}

/** Counts the requests of one combination of labels. Call `start` and then `finish` once for each request. */
export class RequestScope {
  readonly labels: RequestScopeLabels;
  private readonly families: RequestFamilies;
  private readonly names: MetricNames;
  private readonly active: Gauge;
  private readonly requestBytes: Counter;
  private readonly responseBytes: Counter;
  private readonly endings: Map<number | string, EndingSeries>;
  // The ending of the request before: nearly always the ending of this one.
  private lastMethod: string;
  private lastKey: number;
  private lastVersion: string;
  private lastCall: string;
  private last: EndingSeries | undefined;
  /** gRPC methods that a server knew. */
  private readonly calls: Set<string>;

  constructor(families: RequestFamilies, labels: RequestScopeLabels, names: MetricNames) {
    const { direction, source, destination } = labels;
    this.labels = labels;
    this.families = families;
    this.names = names;
    this.active = families.active.resolve([direction, destination]);
    this.requestBytes = families.requestBytes.resolve([direction, source, destination]);
    this.responseBytes = families.responseBytes.resolve([direction, source, destination]);
    this.endings = new Map();
    this.lastMethod = '';
    this.lastKey = -1;
    this.lastVersion = '';
    this.lastCall = '';
    this.last = undefined;
    this.calls = new Set();
  }

  start(): void {
    this.active.add(1);
  }

  /**
   * Counts a request that has ended. `status` is the status the caller was sent, 0 when it was sent none;
   * `termination` the position of the ending in `terminationCodes`; `failed` whether the ending is a failure of a
   * server or of the mesh; `grpcStatus` what a gRPC caller was told, -1 for all others. Only names of OpenTelemetry ask for the
   * last two: the HTTP version that the caller spoke, and the path of a gRPC call.
   */
  finish(
    method: string,
    status: number,
    termination: number,
    failed: boolean,
    durationMs: number,
    requestBytes: number,
    responseBytes: number,
    grpcStatus = -1,
    version = '',
    call = '',
  ): void {
    this.active.add(-1);
    const grpc = grpcStatus >= 0 && grpcStatus < GRPC_STATUSES ? grpcStatus : grpcStatus < 0 ? NO_GRPC : GRPC_STATUSES;
    const key = ((termination * 1000 + status) * GRPC_FACTOR + grpc) * 2 + (failed ? 1 : 0);
    if (key !== this.lastKey || method !== this.lastMethod || version !== this.lastVersion || call !== this.lastCall) {
      this.lastVersion = version;
      this.lastCall = call;
      this.last = this.ending(method, status, termination, failed, grpc, key);
    }
    const { count, durations } = this.last!;
    count.add(1);
    durations.observeMs(durationMs);
    if (requestBytes > 0) this.requestBytes.add(requestBytes);
    if (responseBytes > 0) this.responseBytes.add(responseBytes);
  }

  /** The request of the last `finish` is of a trace that is kept: whoever looks at its bucket may look at it. */
  keepExemplar(durationMs: number, traceId: string, wallMs: number): void {
    this.last?.durations.keepExemplar(durationMs, traceId, wallMs);
  }

  private ending(
    method: string,
    status: number,
    termination: number,
    failed: boolean,
    grpc: number,
    key: number,
  ): EndingSeries {
    this.lastMethod = method;
    this.lastKey = key;
    const methodLabel = KNOWN_METHODS.has(method) ? method : OTHER;
    const code = writeCode(status);
    // Codes that share a label share a counter; the map is bounded by known methods, known codes and terminations.
    const known = KNOWN_STATUSES.has(status) ? status : Math.floor(status / 100);
    const position = ((termination * 1000 + known) * 64 + methodNumber(methodLabel)) * GRPC_FACTOR + grpc;
    const call = this.lastCall === '' ? '' : this.callLabel(this.lastCall, grpc, termination);
    const plainKey = position * 2 + (failed ? 1 : 0);
    const cacheKey = this.lastVersion === '' ? plainKey : `${plainKey} ${this.lastVersion} ${call}`;
    let series = this.endings.get(cacheKey);
    if (series === undefined) {
      const { direction, source, destination, route, rule } = this.labels;
      const ending = terminationCodes[termination] ?? OTHER;
      const count = this.families.requests.resolve([
        direction,
        source,
        destination,
        route,
        rule,
        methodLabel,
        code,
        ending,
        grpc === NO_GRPC ? '' : grpc === GRPC_STATUSES ? OTHER : String(grpc),
      ]);
      series = { count, durations: this.durations(methodLabel, status, termination, failed, grpc, call) };
      this.endings.set(cacheKey, series);
    }
    return series;
  }

  /** The name without its slash; the conventions' word until a server has shown that it knows the method. */
  private callLabel(path: string, grpc: number, termination: number): string {
    const call = path.slice(1);
    if (this.calls.has(call)) return call;
    const isAnswered = terminationCodes[termination] === 'completed' && grpc !== GRPC_UNIMPLEMENTED;
    if (!isAnswered || this.calls.size >= MAX_CALLS || !CALL.test(call)) return OTHER_CALL;
    this.calls.add(call);
    return call;
  }

  private durations(
    method: string,
    status: number,
    termination: number,
    failed: boolean,
    grpc: number,
    call: string,
  ): LatencyHistogram {
    const { direction, source, destination, route } = this.labels;
    if (this.names === 'OpenTelemetry') {
      return this.families.openTelemetry.resolve(this.labels, {
        method,
        // RFC 9110 §15: a code that is not known means what the first of its class does.
        status: KNOWN_STATUSES.has(status) ? status : Math.floor(status / 100) * 100,
        termination,
        grpcStatus: grpc === NO_GRPC ? -1 : grpc,
        failed,
        version: this.lastVersion,
        call,
      });
    }
    return this.families.durations.resolve([direction, source, destination, route, failed ? 'error' : 'ok']);
  }
}

const GRPC_UNIMPLEMENTED = 12;
/** Of one scope; paths are the callers' to make up, and what no server has is not a method. */
const MAX_CALLS = 200;
const OTHER_CALL = '_OTHER';
const CALL = /^[\w.]{1,200}\/\w{1,100}$/;

class UpstreamCounters implements UpstreamScope {
  readonly attempts: Counter;
  readonly budgetExhausted: Counter;
  readonly connectDuration: LatencyHistogram;
  private readonly families: RequestFamilies;
  private readonly destination: string;
  private readonly retries: Map<string, Counter>;

  constructor(families: RequestFamilies, destination: string) {
    this.families = families;
    this.destination = destination;
    this.attempts = families.attempts.resolve([destination]);
    this.budgetExhausted = families.budgetExhausted.resolve([destination]);
    this.connectDuration = families.connects.resolve([destination]);
    this.retries = new Map();
  }

  retry(reason: string): void {
    let counter = this.retries.get(reason);
    if (counter === undefined) {
      counter = this.families.retries.resolve([this.destination, reason]);
      this.retries.set(reason, counter);
    }
    counter.add(1);
  }
}

const methodNumbers = new Map([...KNOWN_METHODS, OTHER].map((method, index) => [method, index]));

function methodNumber(methodLabel: string): number {
  return methodNumbers.get(methodLabel)!;
}

/** Three digits; the class (`4xx`) for a code that nobody registered; `none` when no response was sent. */
function writeCode(status: number): string {
  if (KNOWN_STATUSES.has(status)) return String(status);
  return status >= 100 && status <= 999 ? `${Math.floor(status / 100)}xx` : 'none';
}
