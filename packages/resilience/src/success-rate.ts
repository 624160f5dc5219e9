import type { SuccessRatePolicy } from '@weft/model';

/**
 * With fewer endpoints than statistics need (one outlier of n has a z-score of at most (n-1)/sqrt(n): 1.15 of 3, 1.5 of 4,
 * so a bound of 1.9 deviations could never be passed), the best of them is the measure.
 */
const FEW_POINTS_UNDER_BEST = 0.3;
const FEW_MINIMUM_REQUESTS = 20;

/** What is kept with each endpoint of the running window. */
export interface RateSubject {
  ejected: boolean;
  windowSuccesses: number;
  windowFailures: number;
}

/**
 * The endpoints whose success rate lies far below that of the others, the worst first, because a cap may not allow all to be ejected.
 * With `minimumEndpoints` endpoints of `minimumRequests`: below mean - deviations x standard deviation. With fewer: 30 points under
 * the best, among those with 20 requests.
 */
export function findOutliers<S extends RateSubject>(
  subjects: readonly S[],
  { minimumEndpoints, minimumRequests, deviations }: SuccessRatePolicy,
): S[] {
  const withRequests = (least: number): S[] =>
    subjects.filter((subject) => !subject.ejected && requestsOf(subject) >= least);
  const counted = withRequests(minimumRequests);
  const many = counted.length >= minimumEndpoints;
  const compared = many ? counted : withRequests(FEW_MINIMUM_REQUESTS);
  const bound = many ? deviationBound(compared, deviations) : bestRate(compared) - FEW_POINTS_UNDER_BEST;
  return compared.filter((subject) => rateOf(subject) < bound).sort((a, b) => rateOf(a) - rateOf(b));
}

function requestsOf(subject: RateSubject): number {
  return subject.windowSuccesses + subject.windowFailures;
}

function rateOf(subject: RateSubject): number {
  return subject.windowSuccesses / requestsOf(subject);
}

function bestRate(subjects: readonly RateSubject[]): number {
  let best = 0;
  for (const subject of subjects) best = Math.max(best, rateOf(subject));
  return best;
}

function deviationBound(subjects: readonly RateSubject[], deviations: number): number {
  let sum = 0;
  for (const subject of subjects) sum += rateOf(subject);
  const mean = sum / subjects.length;
  let squares = 0;
  for (const subject of subjects) squares += (rateOf(subject) - mean) ** 2;
  return mean - deviations * Math.sqrt(squares / subjects.length);
}
