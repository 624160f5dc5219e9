export { type BreakerState, CircuitBreaker } from './circuit-breaker.ts';
export { ConcurrencyLimit } from './concurrency-limit.ts';
export { remainingMs, timeoutCode } from './deadline.ts';
export { Ejection, type EjectionChange } from './ejection.ts';
export { NO_GRPC_STATUS, isEndpointFailure, judgeHead } from './failure.ts';
export { recordHealthCheck } from './health-check.ts';
export { RetryBudget } from './retry-budget.ts';
export { planRetry } from './retry-plan.ts';
