export { CorsRule, CorsSlot } from './cors.ts';
export type { BackendSnapshot, BackendTally, EndpointSnapshot } from './backend-report.ts';
export {
  type BackendEnvironment,
  type BackendRefusal,
  BackendState,
  type BackendTransition,
  type RequestOutcome,
} from './backend-state.ts';
export { type CompiledBackend, type CompiledRule, compileRule, rewrittenTarget } from './compiled-rule.ts';
export { RouteDecision, type RouteTable, decide, drawBackend } from './decide.ts';
export {
  type AttemptRecord,
  type BackendRecord,
  type DecisionRecord,
  type MatchRecord,
  type PassedOverRecord,
  explainRequest,
  explainRoutes,
} from './decision-record.ts';
export type { EditRules } from './edit-base.ts';
export { type CompiledMirror, mirrorDrawn } from './mirror.ts';
export { NameTable } from './name-table.ts';
export type { Origin } from './origin.ts';
export { rewritePath } from './path-rewrite.ts';
export { redirectLocation } from './redirect.ts';
export { GO_ON, type Step, type StepContext, type Verdict } from './step.ts';
export {
  type CompiledTables,
  type ReceivedResource,
  type ResourceError,
  type TableEnvironment,
  compileTables,
  compileTablesInSlices,
  emptyTables,
} from './table-compiler.ts';
export { type Destination, type HeldResource, type ListenerTable, type RefusedResource, Tables } from './tables.ts';
export { VersionSum } from './version-sum.ts';
