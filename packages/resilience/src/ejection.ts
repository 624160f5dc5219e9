import type { Random } from '@weft/kernel';
import type { OutlierPolicy } from '@weft/model';
import { findOutliers } from './success-rate.ts';
import type { RateSubject } from './success-rate.ts';

/*
 * The one failure machine of an endpoint.
 *
 *            failure                     consecutiveErrors failures,
 *  healthy ----------> suspect --------> or far below the others      ejected --- penalty over ---> probing
 *     ^  ^               |  |            and the cap allows it           ^                           |   |
 *     |  +--- success ---+  +--- cap is reached ---> spared              +-------- failure ----------+   |
 *     |                                                |                   (a longer penalty)            |
 *     +------------------- success --------------------+                                                 |
 *     +------------------------------------ success -----------------------------------------------------+
 *
 * A probe is a request like any other, one at a time. A spared endpoint failed like an ejected one and is still used,
 * because the cap of ejected endpoints is reached; whoever asks how many are healthy must not count it. A suspect is due
 * for a second look soon: the balancer avoids what failed once, and would else leave the question open for a minute.
 */

/** What the machine keeps with each endpoint. Written here only; plain fields of the endpoint's own state object. */
export interface EjectionSubject extends RateSubject {
  ejected: boolean;
  /** Failed enough to be ejected, and kept by the cap. */
  spared: boolean;
  /** Failures before or at the response head without a success between them. Judged together with `consecutiveCuts`. */
  consecutiveErrors: number;
  /** Responses cut short, or failed by their trailers, without a whole one between them. */
  consecutiveCuts: number;
  /** Errors that the last good head forgave, to be counted again should a response turn out to be none: the head said too much. */
  forgivenErrors: number;
  /** The exponent of the next penalty. */
  ejections: number;
  /** When the last penalty was served; `-Infinity` before. */
  restoredMs: number;
  /** From when on a single request should be sent to an ejected or suspected endpoint; `Infinity` for a healthy one. */
  probeDueMs: number;
  /** When that request was sent; `Infinity` when none is on its way. */
  probeStartedMs: number;
}

export type EjectionChange = 'none' | 'suspected' | 'acquitted' | 'spared' | 'ejected' | 'restored';

/** A suspect is looked at again after this: five failures in a row are known after a second. */
export const SUSPECT_RETEST_MS = 250;

/** Success rates are compared once in so long: at the default of 100 requests, 10 requests a second and endpoint. */
export const SUCCESS_RATE_WINDOW_MS = 10_000;

/** A penalty is shortened by up to this part, so that callers that ejected together don't probe together. */
const PENALTY_JITTER = 0.2;

export class Ejection {
  private policy: OutlierPolicy | null;
  private readonly random: Random;
  private ejectedCount: number;
  private windowEndsMs: number;

  /** With a policy of null nothing is ever ejected. */
  constructor(policy: OutlierPolicy | null, random: Random) {
    this.policy = policy;
    this.random = random;
    this.ejectedCount = 0;
    this.windowEndsMs = Number.POSITIVE_INFINITY;
  }

  /**
   * Takes a changed policy or set of endpoints. Endpoints under a penalty serve it; without a policy all are set free. The
   * caller gives all the endpoints it has from now on.
   */
  update(policy: OutlierPolicy | null, subjects: readonly EjectionSubject[], nowMs: number): void {
    this.policy = policy;
    this.ejectedCount = 0;
    for (const subject of subjects) {
      if (policy === null) clear(subject);
      if (subject.ejected) this.ejectedCount += 1;
    }
    if (policy === null || policy.successRate === null) this.windowEndsMs = Number.POSITIVE_INFINITY;
    else if (this.windowEndsMs === Number.POSITIVE_INFINITY) this.windowEndsMs = nowMs + SUCCESS_RATE_WINDOW_MS;
  }

  /** A try starts: the first one sent to an endpoint that is due for a probe is the probe. */
  started(subject: EjectionSubject, nowMs: number): boolean {
    if (nowMs < subject.probeDueMs || this.policy === null) return false;
    subject.probeStartedMs = nowMs;
    // Should the probe hang, another one goes later.
    subject.probeDueMs = nowMs + (subject.ejected ? this.policy.baseEjectionMs : SUSPECT_RETEST_MS);
    return true;
  }

  /** A response head that is no failure. `startedMs`: when its try began. */
  succeeded(subject: EjectionSubject, nowMs: number, startedMs: number): EjectionChange {
    if (this.policy === null) return 'none';
    subject.windowSuccesses += 1;
    if (subject.ejected) {
      // What was sent before the penalty was over says nothing about now.
      if (startedMs < subject.probeStartedMs) return 'none';
      this.ejectedCount -= 1;
      clear(subject);
      subject.restoredMs = nowMs;
      return 'restored';
    }
    if (subject.consecutiveErrors === 0) return 'none';
    subject.forgivenErrors = subject.consecutiveErrors;
    subject.consecutiveErrors = 0;
    return this.acquit(subject);
  }

  /** A response that was delivered whole. */
  completed(subject: EjectionSubject): EjectionChange {
    subject.forgivenErrors = 0;
    if (this.policy === null || subject.consecutiveCuts === 0) return 'none';
    subject.consecutiveCuts = 0;
    return subject.ejected ? 'none' : this.acquit(subject);
  }

  /** A failure before or at the response head. `endpointCount` is the size of the set, for the cap. */
  failed(subject: EjectionSubject, nowMs: number, startedMs: number, endpointCount: number): EjectionChange {
    if (this.policy === null) return 'none';
    subject.windowFailures += 1;
    if (subject.ejected) return this.failedUnderPenalty(subject, nowMs, startedMs);
    subject.consecutiveErrors += 1;
    return this.judge(subject, nowMs, endpointCount);
  }

  /** A response that was cut short after its head; the head was counted as a success, which is taken back. */
  cut(subject: EjectionSubject, nowMs: number, startedMs: number, endpointCount: number): EjectionChange {
    if (this.policy === null) return 'none';
    if (subject.windowSuccesses > 0) subject.windowSuccesses -= 1;
    subject.windowFailures += 1;
    if (subject.ejected) return this.failedUnderPenalty(subject, nowMs, startedMs);
    subject.consecutiveErrors += subject.forgivenErrors;
    subject.forgivenErrors = 0;
    subject.consecutiveCuts += 1;
    return this.judge(subject, nowMs, endpointCount);
  }

  /** A try that ended without teaching anything: if it was the probe, the next request is. */
  abandoned(subject: EjectionSubject, nowMs: number, startedMs: number): void {
    if (startedMs < subject.probeStartedMs || subject.probeStartedMs === Number.POSITIVE_INFINITY) return;
    endProbe(subject, nowMs);
  }

  /** When success rates are to be compared next; `Infinity` when they are not. */
  get sweepDueMs(): number {
    return this.windowEndsMs;
  }

  /** Compares success rates and starts a new window. Calls `changed` for each endpoint that falls too far below the others. */
  sweep<S extends EjectionSubject>(
    subjects: readonly S[],
    nowMs: number,
    changed: (subject: S, change: EjectionChange) => void,
  ): void {
    const policy = this.policy?.successRate ?? null;
    if (policy === null || nowMs < this.windowEndsMs) return;
    this.windowEndsMs = nowMs + SUCCESS_RATE_WINDOW_MS;
    for (const subject of findOutliers(subjects, policy)) {
      changed(subject, this.condemn(subject, nowMs, subjects.length));
    }
    for (const subject of subjects) {
      subject.windowSuccesses = 0;
      subject.windowFailures = 0;
    }
  }

  private acquit(subject: EjectionSubject): EjectionChange {
    if (subject.consecutiveErrors > 0 || subject.consecutiveCuts > 0) return 'none';
    subject.spared = false;
    endProbe(subject, Number.POSITIVE_INFINITY);
    return 'acquitted';
  }

  private judge(subject: EjectionSubject, nowMs: number, endpointCount: number): EjectionChange {
    // One count, however they fail: an endpoint that fails at the head and in the trailers by turns fails every time.
    const inARow = subject.consecutiveErrors + subject.consecutiveCuts;
    const threshold = this.policy!.consecutiveErrors;
    if (threshold > 0 && inARow >= threshold) return this.condemn(subject, nowMs, endpointCount);
    if (subject.spared || threshold === 0) return 'none';
    endProbe(subject, nowMs + SUSPECT_RETEST_MS);
    return 'suspected';
  }

  private condemn(subject: EjectionSubject, nowMs: number, endpointCount: number): EjectionChange {
    if (this.ejectedCount >= this.cap(endpointCount)) {
      endProbe(subject, Number.POSITIVE_INFINITY);
      if (subject.spared) return 'none';
      subject.spared = true;
      return 'spared';
    }
    const { baseEjectionMs } = this.policy!;
    // Time served without a fault takes penalties back, the longest first.
    let goodMs = nowMs - subject.restoredMs;
    while (subject.ejections > 0) {
      goodMs -= baseEjectionMs * 2 ** subject.ejections;
      if (goodMs < 0) break;
      subject.ejections -= 1;
    }
    this.ejectedCount += 1;
    subject.ejected = true;
    subject.spared = false;
    this.punish(subject, nowMs);
    return 'ejected';
  }

  private failedUnderPenalty(subject: EjectionSubject, nowMs: number, startedMs: number): EjectionChange {
    if (startedMs < subject.probeStartedMs) return 'none';
    this.punish(subject, nowMs);
    return 'ejected';
  }

  private punish(subject: EjectionSubject, nowMs: number): void {
    const { baseEjectionMs, maxEjectionMs } = this.policy!;
    const fullMs = Math.min(baseEjectionMs * 2 ** subject.ejections, maxEjectionMs);
    endProbe(subject, nowMs + fullMs * (1 - PENALTY_JITTER * this.random()));
    // Past the longest penalty the exponent would grow for nothing, and take as long to come down again.
    if (fullMs < maxEjectionMs) subject.ejections += 1;
  }

  /** How many may be ejected: the percentage, but one of two or more whatever it says; 0 percent is none. */
  private cap(endpointCount: number): number {
    const percent = this.policy!.maxEjectedPercent;
    const allowed = Math.floor((endpointCount * percent) / 100);
    return allowed === 0 && percent > 0 && endpointCount >= 2 ? 1 : allowed;
  }
}

function endProbe(subject: EjectionSubject, nextDueMs: number): void {
  subject.probeStartedMs = Number.POSITIVE_INFINITY;
  subject.probeDueMs = nextDueMs;
}

function clear(subject: EjectionSubject): void {
  subject.ejected = false;
  subject.spared = false;
  subject.consecutiveErrors = 0;
  subject.consecutiveCuts = 0;
  subject.forgivenErrors = 0;
  endProbe(subject, Number.POSITIVE_INFINITY);
}
