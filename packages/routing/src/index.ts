export { type PassedOver, explain } from './explanation.ts';
export { hostMatches, hostOf, hostRank } from './host-pattern.ts';
export { checkPattern } from './linear-pattern.ts';
export { MatchTable, type PathPlaces, compileMatchTable, compileMatchTableInSteps } from './match-table.ts';
export type { RequestView } from './request-view.ts';
export {
  PathKind,
  type RouteEntry,
  type RouteProblem,
  type ValueCondition,
  compareEntries,
  conditionHolds,
  pathMatches,
  prefixCovers,
} from './route-entry.ts';
