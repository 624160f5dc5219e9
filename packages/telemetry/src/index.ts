export { type AccessLogFacts, type ConnectionLogFacts } from './access-log-facts.ts';
export {
  AccessLog,
  type AccessLogOptions,
  type AccessLogWhen,
  accessFlags,
  isLogged,
  redactQuery,
} from './access-log.ts';
export { LogExport, type LogExportOptions } from './export/log-exporter.ts';
export type { ExportQueueFacts } from './export/export-queue.ts';
export { type ExportResource, type ExportTarget, exportTargetForms, readExportTarget } from './export/export-target.ts';
export { SpanExport, type SpanExportOptions } from './export/span-exporter.ts';
export { type AccessLogFormat } from './access-log-format.ts';
export { latencyBoundsSeconds, latencyBucket } from './latency-buckets.ts';
export { LineSink, type LineSinkOptions, type LineTarget, fileTarget, streamTarget } from './line-sink.ts';
export {
  type MetricDefinition,
  type MetricFamily,
  type MetricType,
  type MetricsSnapshot,
  mergeSnapshots,
} from './metrics-snapshot.ts';
export { type MetricsFormat, metricsContentType, pickMetricsFormat } from './metrics-format.ts';
export { writeMetricsProtobuf } from './metrics-protobuf.ts';
export { writeMetrics } from './metrics-text.ts';
export {
  type Propagated,
  type Propagation,
  type PropagationWord,
  type TraceHeaders,
  pickPropagations,
  propagations,
  readPropagated,
} from './propagation.ts';
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
export { type FillRandom, RandomIds, isRequestId } from './random-ids.ts';
export { isFailure } from './request-failure.ts';
export { type Direction, type MetricNames, type RequestScopeLabels } from './request-labels.ts';
export { RequestMetrics, RequestScope, type UpstreamScope } from './request-metrics.ts';
export { type EmitSample, type SeriesFamily, SeriesTable, type SeriesTableOptions } from './series-table.ts';
export { Counter, Gauge, LatencyHistogram } from './series.ts';
export { type Span, type SpanAttributes, SpanBuffer, type SpanEvent, type SpanSink, noSpans } from './span-sink.ts';
export { TcpMetrics, TcpScope, type TcpScopeLabels } from './tcp-metrics.ts';
export {
  type SpanContext,
  type TraceContext,
  isSampledId,
  readTraceParent,
  traceIdOf,
  startSpan,
  unsampledRoot,
  writeTraceParent,
} from './trace-context.ts';
export { readTraceState } from './trace-state.ts';
export { TracePlan, type TraceRules, defaultTraceRules } from './trace-plan.ts';
