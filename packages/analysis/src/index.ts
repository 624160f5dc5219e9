/** What configuration would do, without sending anything: explanation, lints, differences, replay. Pure. */
export { type AskedRequest, readAskedRequest } from './asked-request.ts';
export { type Caller, type HashedResource, callerResources, compileHeld, compileView } from './caller-view.ts';
export { areDisjoint, covers, shadowedEntries } from './entry-cover.ts';
export { type BackendEdits, type Explanation, type FieldEdit, type Way, explainAsked } from './explanation.ts';
export { type Sources, explanationText } from './explanation-text.ts';
export { type CheckResult, checkFiles } from './check/check-files.ts';
export { type Finding, type Severity, formatFinding } from './check/finding.ts';
export { type LintCode, type LintRule, conditionAdvice, describeCode, lintRules } from './check/lint-rule.ts';
export { LogReplay, type ReplayReport } from './replay/log-replay.ts';
export { diffText } from './diff/diff-text.ts';
export type { FieldChange } from './diff/field-change.ts';
export { type MeshChange, diffMeshes } from './diff/mesh-diff.ts';
export { type RuleChange, diffRules } from './diff/rule-diff.ts';
export { replayText } from './replay/replay-text.ts';
export type { ReplayOptions } from './replay/request-judge.ts';
export type { Verdict, VerdictKind } from './replay/verdict.ts';
