export { type BreakerState, CircuitBreaker } from './circuit-breaker.ts';
export { ConcurrencyLimit } from './concurrency-limit.ts';
export { deadlineAfter, remainingMs, timeoutCode, tryDeadline } from './deadline.ts';
export {
  Ejection,
  type EjectionChange,
  type EjectionSubject,
  SUCCESS_RATE_WINDOW_MS,
  SUSPECT_RETEST_MS,
} from './ejection.ts';
export { type HeadVerdict, NO_GRPC_STATUS, isEndpointFailure, judgeHead } from './failure.ts';
export { type HealthSubject, passesHealthCheck, recordHealthCheck } from './health-check.ts';
export { RetryBudget } from './retry-budget.ts';
export { type FailedTry, type RetryPlan, type RetryRefusal, planRetry, readRetryAfterMs } from './retry-plan.ts';
