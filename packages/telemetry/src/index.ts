export {
  AccessLog,
  type AccessLogFacts,
  type AccessLogOptions,
  type AccessLogWhen,
  type ConnectionLogFacts,
  accessFlags,
  isLogged,
  redactQuery,
} from './access-log.ts';
export { latencyBoundsSeconds, latencyBucket } from './latency-buckets.ts';
export { LineSink, type LineSinkOptions, type LineTarget, fileTarget, streamTarget } from './line-sink.ts';
export {
  type MetricDefinition,
  type MetricFamily,
  type MetricType,
  type MetricsSnapshot,
  mergeSnapshots,
} from './metrics-snapshot.ts';
export { type MetricsFormat, metricsContentType, pickMetricsFormat, writeMetrics } from './metrics-text.ts';
export { type Propagation, type TraceHeaders, propagations, readPropagated } from './propagation.ts';
export {
  type BreakerFacts,
  type CallerFacts,
  type CallerKind,
  type CertificateFacts,
  type ConfigurationFacts,
  ConnectionMetrics,
  type ControlFacts,
  type EndpointFacts,
  type LogFacts,
  type LoopFacts,
  type PoolFacts,
  type ProcessFacts,
  type ProxyFactSources,
  callerKinds,
  registerProxyFacts,
} from './proxy-facts.ts';
export { type FillRandom, RandomIds, readRequestId } from './random-ids.ts';
export {
  type Direction,
  RequestMetrics,
  RequestScope,
  type RequestScopeLabels,
  type UpstreamScope,
} from './request-metrics.ts';
export { type EmitSample, type SeriesFamily, SeriesTable, type SeriesTableOptions } from './series-table.ts';
export { Counter, Gauge, LatencyHistogram } from './series.ts';
export { type Span, SpanBuffer, type SpanSink, noSpans } from './span-sink.ts';
export { TcpMetrics, TcpScope, type TcpScopeLabels } from './tcp-metrics.ts';
export { type SpanContext, type TraceContext, readTraceParent, startSpan, writeTraceParent } from './trace-context.ts';
export { readTraceState } from './trace-state.ts';
