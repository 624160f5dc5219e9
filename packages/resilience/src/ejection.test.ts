import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@weft/kernel';
import type { OutlierPolicy } from '@weft/model';
import { Ejection, type EjectionChange, type EjectionSubject, SUCCESS_RATE_WINDOW_MS } from './ejection.ts';

interface NamedSubject extends EjectionSubject {
  readonly name: string;
}

const policy: OutlierPolicy = {
  consecutiveErrors: 5,
  successRate: null,
  baseEjectionMs: 10_000,
  maxEjectionMs: 300_000,
  maxEjectedPercent: 50,
};

const withRates: OutlierPolicy = {
  ...policy,
  consecutiveErrors: 0,
  successRate: { minimumEndpoints: 5, minimumRequests: 100, deviations: 1.9 },
};

/** No jitter: penalties have their full length. */
const still = (): number => 0;

function newSubjects(count: number): NamedSubject[] {
  return Array.from({ length: count }, (_, index) => ({
    name: String.fromCharCode(97 + index),
    ejected: false,
    spared: false,
    consecutiveErrors: 0,
    consecutiveCuts: 0,
    forgivenErrors: 0,
    ejections: 0,
    restoredMs: Number.NEGATIVE_INFINITY,
    probeDueMs: Number.POSITIVE_INFINITY,
    probeStartedMs: Number.POSITIVE_INFINITY,
    windowSuccesses: 0,
    windowFailures: 0,
  }));
}

function newEjection(subjects: EjectionSubject[], outlier: OutlierPolicy | null = policy, random = still): Ejection {
  const ejection = new Ejection(outlier, random);
  ejection.update(outlier, subjects, 0);
  return ejection;
}

/** Five failures in a row; what the last one brought. */
function failOften(ejection: Ejection, subject: EjectionSubject, nowMs: number, count: number): EjectionChange {
  let change: EjectionChange = 'none';
  for (let failure = 0; failure < 5; failure += 1) change = ejection.failed(subject, nowMs, nowMs, count);
  return change;
}

test('the fifth failure in a row ejects, and a success in between starts the count anew', () => {
  const subjects = newSubjects(3);
  const ejection = newEjection(subjects);
  const a = subjects[0]!;
  for (let failure = 0; failure < 4; failure += 1) assert.equal(ejection.failed(a, 1, 1, 3), 'suspected');
  assert.equal(ejection.succeeded(a, 1, 1), 'acquitted');
  for (let failure = 0; failure < 4; failure += 1) ejection.failed(a, 2, 2, 3);
  assert.equal(a.ejected, false);
  assert.equal(ejection.failed(a, 2, 2, 3), 'ejected');
  assert.equal(a.ejected, true);
  assert.equal(a.probeDueMs, 10_002);
});

test('a suspect is due for another look after 250 ms', () => {
  const subjects = newSubjects(3);
  const ejection = newEjection(subjects);
  ejection.failed(subjects[0]!, 100, 99, 3);
  assert.equal(subjects[0]!.probeDueMs, 350);
  assert.equal(ejection.started(subjects[0]!, 349), false);
  assert.equal(ejection.started(subjects[0]!, 350), true);
});

test('one probe that works restores the endpoint', () => {
  const subjects = newSubjects(2);
  const ejection = newEjection(subjects);
  const a = subjects[0]!;
  failOften(ejection, a, 0, 2);
  assert.equal(ejection.started(a, 9_999), false);
  assert.equal(ejection.started(a, 10_000), true);
  assert.equal(ejection.started(a, 10_001), false, 'only one probe at a time');
  assert.equal(ejection.succeeded(a, 10_002, 9_000), 'none', 'an answer to an older request is no probe');
  assert.equal(ejection.succeeded(a, 10_005, 10_000), 'restored');
  assert.deepEqual([a.ejected, a.consecutiveErrors, a.restoredMs], [false, 0, 10_005]);
});

test('each failed probe doubles the penalty up to the longest', () => {
  const subjects = newSubjects(2);
  const ejection = newEjection(subjects);
  const a = subjects[0]!;
  let nowMs = 0;
  failOften(ejection, a, nowMs, 2);
  const penalties: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    penalties.push(a.probeDueMs - nowMs);
    nowMs = a.probeDueMs;
    ejection.started(a, nowMs);
    assert.equal(ejection.failed(a, nowMs, nowMs, 2), 'ejected');
  }
  assert.deepEqual(penalties, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
});

test('time served without a fault takes the doubling back', () => {
  const soon = newSubjects(2);
  const late = newSubjects(2);
  for (const [subjects, restMs] of [
    [soon, 1_000],
    [late, 100_000],
  ] as const) {
    const ejection = newEjection(subjects);
    const a = subjects[0]!;
    failOften(ejection, a, 0, 2);
    ejection.started(a, 10_000);
    ejection.failed(a, 10_000, 10_000, 2);
    ejection.started(a, 30_000);
    ejection.succeeded(a, 30_000, 30_000);
    failOften(ejection, a, 30_000 + restMs, 2);
  }
  assert.equal(soon[0]!.probeDueMs - 31_000, 40_000);
  assert.equal(late[0]!.probeDueMs - 130_000, 10_000);
});

test('penalties differ by up to a fifth, and never exceed the longest', () => {
  const random = seededRandom(5);
  const seen: number[] = [];
  for (let round = 0; round < 200; round += 1) {
    const subjects = newSubjects(2);
    failOften(newEjection(subjects, policy, random), subjects[0]!, 0, 2);
    seen.push(subjects[0]!.probeDueMs);
  }
  assert.ok(Math.min(...seen) >= 8_000 && Math.max(...seen) <= 10_000);
  assert.ok(Math.max(...seen) - Math.min(...seen) > 1_500);
});

test('a probe that hangs lets another one go, and one that teaches nothing is followed by the next request', () => {
  const subjects = newSubjects(2);
  const ejection = newEjection(subjects);
  const a = subjects[0]!;
  failOften(ejection, a, 0, 2);
  ejection.started(a, 10_000);
  assert.equal(a.probeDueMs, 20_000);
  ejection.abandoned(a, 10_500, 9_000);
  assert.equal(a.probeDueMs, 20_000, 'an older request is not the probe');
  ejection.abandoned(a, 10_500, 10_000);
  assert.equal(a.probeDueMs, 10_500);
});

test('the cap holds, but of two or more one may always go, and a single one never does', () => {
  const rows: readonly (readonly [number, number, number])[] = [
    [1, 50, 0],
    [2, 50, 1],
    [3, 50, 1],
    [4, 50, 2],
    [5, 10, 1],
    [20, 10, 2],
    [10, 0, 0],
    [2, 100, 2],
    [1, 100, 1],
  ];
  for (const [count, maxEjectedPercent, expected] of rows) {
    const subjects = newSubjects(count);
    const ejection = newEjection(subjects, { ...policy, maxEjectedPercent });
    for (const subject of subjects) failOften(ejection, subject, 0, count);
    const ejected = subjects.filter((subject) => subject.ejected).length;
    assert.equal(ejected, expected, `${count} endpoints, ${maxEjectedPercent} %`);
    assert.equal(subjects.filter((subject) => subject.spared).length, count - expected);
  }
});

test('a spared endpoint is forgiven by a success, and ejected when the cap allows it again', () => {
  const subjects = newSubjects(2);
  const ejection = newEjection(subjects);
  const [a, b] = [subjects[0]!, subjects[1]!];
  failOften(ejection, a, 0, 2);
  assert.equal(failOften(ejection, b, 0, 2), 'spared');
  assert.equal(ejection.failed(b, 1, 1, 2), 'none');
  ejection.started(a, 10_000);
  ejection.succeeded(a, 10_001, 10_000);
  assert.equal(ejection.failed(b, 10_002, 10_002, 2), 'ejected');
  assert.deepEqual([b.spared, b.ejected], [false, true]);
  failOften(ejection, a, 10_003, 2);
  assert.equal(a.spared, true);
  assert.equal(ejection.succeeded(a, 10_004, 10_003), 'acquitted');
  assert.equal(a.spared, false);
});

test('responses that are cut short eject too, although each began well', () => {
  const subjects = newSubjects(3);
  const ejection = newEjection(subjects);
  const a = subjects[0]!;
  let change: EjectionChange = 'none';
  for (let response = 0; response < 5; response += 1) {
    ejection.succeeded(a, response, response);
    change = ejection.cut(a, response, response, 3);
  }
  assert.equal(change, 'ejected');
  const b = subjects[1]!;
  for (let response = 0; response < 20; response += 1) {
    ejection.succeeded(b, response, response);
    if (response % 4 === 3) assert.equal(ejection.completed(b), 'acquitted');
    else ejection.cut(b, response, response, 3);
  }
  assert.equal(b.ejected, false);
});

test('without a policy nothing is ejected, and a policy that goes away frees everybody', () => {
  const subjects = newSubjects(2);
  const ejection = newEjection(subjects);
  failOften(ejection, subjects[0]!, 0, 2);
  ejection.update(null, subjects, 1);
  assert.equal(subjects[0]!.ejected, false);
  assert.equal(failOften(ejection, subjects[0]!, 2, 2), 'none');
});

/** Gives a subject so many requests of which so many fail, and returns who was ejected by the comparison. */
function compareRates(failuresByName: readonly number[], requests: number, outlier = withRates): string[] {
  const subjects = newSubjects(failuresByName.length);
  const ejection = newEjection(subjects, outlier);
  for (const [index, failures] of failuresByName.entries()) {
    for (let request = 0; request < requests; request += 1) {
      if (request < failures) ejection.failed(subjects[index]!, 1, 1, subjects.length);
      else ejection.succeeded(subjects[index]!, 1, 1);
    }
  }
  const ejected: string[] = [];
  const sweep = (nowMs: number): void =>
    ejection.sweep(subjects, nowMs, (subject, change) => {
      if (change === 'ejected') ejected.push(subject.name);
    });
  sweep(SUCCESS_RATE_WINDOW_MS - 1);
  assert.deepEqual(ejected, [], 'not before the window ends');
  sweep(SUCCESS_RATE_WINDOW_MS);
  assert.equal(subjects[0]!.windowSuccesses, 0, 'a new window starts');
  return ejected;
}

test('with enough endpoints the one far below the others is ejected', () => {
  assert.deepEqual(compareRates([1, 2, 0, 1, 60, 2], 100), ['e']);
  assert.deepEqual(compareRates([1, 2, 0, 1, 2, 1], 100), []);
});

test('all at the same low rate eject nobody', () => {
  assert.deepEqual(compareRates([50, 50, 50, 50, 50, 50], 100), []);
});

test('with fewer endpoints one that is 30 points under the best is ejected after 20 requests', () => {
  assert.deepEqual(compareRates([0, 7, 0], 20), ['b']);
  assert.deepEqual(compareRates([0, 6, 0], 20), []);
  assert.deepEqual(compareRates([0, 7, 0], 19), []);
  assert.deepEqual(compareRates([0, 20], 20), ['b']);
  assert.deepEqual(compareRates([20], 20), []);
});

test('the worst goes first when the cap does not allow all', () => {
  assert.deepEqual(compareRates([0, 10, 15, 12], 20), ['c', 'd']);
});

test('a success rate ejects also where failures never come five in a row', () => {
  const subjects = newSubjects(3);
  const ejection = newEjection(subjects, { ...withRates, consecutiveErrors: 5 });
  for (let request = 0; request < 40; request += 1) {
    for (const subject of subjects) {
      if (subject.name === 'b' && request % 2 === 0) ejection.failed(subject, 1, 1, 3);
      else ejection.succeeded(subject, 1, 1);
    }
  }
  assert.equal(subjects[1]!.ejected, false);
  ejection.sweep(subjects, ejection.sweepDueMs, () => undefined);
  assert.equal(subjects[1]!.ejected, true);
});
