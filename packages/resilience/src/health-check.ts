import type { HealthCheckPolicy } from '@weft/model';

/*
 *              unhealthyAfter failures in a row
 *   healthy  ----------------------------------->  unhealthy
 *            <-----------------------------------
 *               healthyAfter successes in a row
 *
 * An endpoint is healthy until it is known not to be: the control plane said that it is ready.
 */

/** What the machine keeps with each endpoint. */
export interface HealthSubject {
  unhealthy: boolean;
  /** Results in a row that speak against the present state. */
  healthStreak: number;
}

/** Takes the result of one check; true when it changed the state. */
export function recordHealthCheck(subject: HealthSubject, policy: HealthCheckPolicy, passed: boolean): boolean {
  if (passed !== subject.unhealthy) {
    subject.healthStreak = 0;
    return false;
  }
  subject.healthStreak += 1;
  if (subject.healthStreak < (passed ? policy.healthyAfter : policy.unhealthyAfter)) return false;
  subject.unhealthy = !passed;
  subject.healthStreak = 0;
  return true;
}
