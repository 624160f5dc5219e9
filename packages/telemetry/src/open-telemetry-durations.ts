import { grpcStatusNames, terminationCodes } from '@weft/outcome';
import type { RequestScopeLabels } from './request-labels.ts';
import type { SeriesFamily, SeriesTable } from './series-table.ts';
import type { LatencyHistogram } from './series.ts';

/** How a request ended, in labels that are bounded already. */
export interface RequestEnding {
  /** A known method, or `other`. */
  readonly method: string;
  /** 0 when the caller was sent none. */
  readonly status: number;
  /** Position in `terminationCodes`. */
  readonly termination: number;
  /** -1 for what is no gRPC call. */
  readonly grpcStatus: number;
  readonly failed: boolean;
  /** `1.0`, `1.1` or `2`; empty when nobody asked. */
  readonly version: string;
  /** `package.Service/Method` of a gRPC call, `_OTHER` of one that is not known. */
  readonly call: string;
}

// What has no name in the conventions stands under `weft`.
const common = ['server_address', 'server_port', 'error_type', 'weft_source', 'weft_route'] as const;
const httpLabels = [
  'http_request_method',
  'http_response_status_code',
  'url_scheme',
  'network_protocol_version',
  ...common,
];
const rpcLabels = ['rpc_system_name', 'rpc_method', 'rpc_response_status_code', ...common];

/**
 * Durations of requests under the names of OpenTelemetry's semantic conventions 1.45, as Prometheus writes them:
 * `http.server.request.duration` and `http.client.request.duration`, for gRPC calls `rpc.server.call.duration` and
 * `rpc.client.call.duration`. A proxy is a server to those who call its application and a client for its application.
 */
export class OpenTelemetryDurations {
  private readonly httpServer: SeriesFamily<LatencyHistogram>;
  private readonly httpClient: SeriesFamily<LatencyHistogram>;
  private readonly rpcServer: SeriesFamily<LatencyHistogram>;
  private readonly rpcClient: SeriesFamily<LatencyHistogram>;

  constructor(table: SeriesTable) {
    const unit = 'seconds';
    this.httpServer = table.latencyHistogram({
      name: 'http_server_request_duration_seconds',
      help: 'Duration of HTTP server requests.',
      unit,
      labels: httpLabels,
    });
    this.httpClient = table.latencyHistogram({
      name: 'http_client_request_duration_seconds',
      help: 'Duration of HTTP client requests.',
      unit,
      labels: httpLabels,
    });
    this.rpcServer = table.latencyHistogram({
      name: 'rpc_server_call_duration_seconds',
      help: 'Duration of inbound gRPC calls.',
      unit,
      labels: rpcLabels,
    });
    this.rpcClient = table.latencyHistogram({
      name: 'rpc_client_call_duration_seconds',
      help: 'Duration of outbound gRPC calls.',
      unit,
      labels: rpcLabels,
    });
  }

  resolve(
    { direction, source, destination, port, route }: RequestScopeLabels,
    ending: RequestEnding,
  ): LatencyHistogram {
    const isServer = direction === 'inbound';
    const address = [writeAddress(destination), port, writeErrorType(ending, isServer), source, route];
    if (ending.grpcStatus >= 0) {
      const family = isServer ? this.rpcServer : this.rpcClient;
      return family.resolve(['grpc', ending.call, grpcStatusNames[ending.grpcStatus] ?? 'other', ...address]);
    }
    const family = isServer ? this.httpServer : this.httpClient;
    const method = ending.method === 'other' ? '_OTHER' : ending.method;
    const status = ending.status === 0 ? '' : String(ending.status);
    return family.resolve([method, status, 'http', ending.version, ...address]);
  }
}

/** `shop/orders` as the name that is called, `orders.shop`. */
function writeAddress(destination: string): string {
  const slash = destination.indexOf('/');
  return slash < 0 ? '' : `${destination.slice(slash + 1)}.${destination.slice(0, slash)}`;
}

/**
 * How the mesh ended it; else the status that is an error: for a client every status of 400 and above and every gRPC
 * status but OK, for a server what is its own fault. Empty, as if it were not there, when all was well.
 */
function writeErrorType({ status, termination, grpcStatus, failed }: RequestEnding, isServer: boolean): string {
  const code = terminationCodes[termination] ?? 'other';
  if (code !== 'completed') return code;
  if (grpcStatus >= 0) {
    const isError = isServer ? failed : grpcStatus > 0;
    return isError ? (grpcStatusNames[grpcStatus] ?? 'other') : '';
  }
  return status >= (isServer ? 500 : 400) ? String(status) : '';
}
