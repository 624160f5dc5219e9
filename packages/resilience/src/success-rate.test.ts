import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findOutliers } from './success-rate.ts';

const policy = { minimumEndpoints: 4, minimumRequests: 100, deviations: 1.4 };

interface Subject {
  readonly name: string;
  ejected: boolean;
  windowSuccesses: number;
  windowFailures: number;
}

/** Endpoints a, b, ... of so many requests, of which so many failed. */
function makeSubjects(requests: number, failures: readonly number[]): Subject[] {
  return failures.map((failed, index) => ({
    name: String.fromCharCode(97 + index),
    ejected: false,
    windowSuccesses: requests - failed,
    windowFailures: failed,
  }));
}

function namesOf(subjects: readonly Subject[]): string {
  return findOutliers(subjects, policy)
    .map(({ name }) => name)
    .join('');
}

test('the worst come first', () => {
  assert.equal(namesOf(makeSubjects(30, [0, 12, 20, 15])), 'cdb');
});

test('with enough endpoints it is the deviation that counts, with too few the distance from the best', () => {
  // Mean 0.86, deviation 0.21: 0.5 lies 1.7 deviations below, and 50 points below the best.
  assert.equal(namesOf(makeSubjects(100, [2, 2, 2, 50])), 'd');
  // Below the mean by 1.2 deviations only, though 40 points below the best.
  assert.equal(namesOf(makeSubjects(100, [0, 40, 0, 40, 40])), '');
  assert.equal(namesOf(makeSubjects(99, [0, 40, 0, 40, 40])), 'bde');
});

test('who is ejected, or has had too few requests, is not compared', () => {
  const subjects = makeSubjects(20, [0, 20, 20]);
  subjects[1]!.ejected = true;
  subjects[2]!.windowFailures = 19;
  assert.equal(namesOf(subjects), '');
  // The best of all is not the measure while it is ejected.
  const others = makeSubjects(20, [0, 10, 10]);
  others[0]!.ejected = true;
  assert.equal(namesOf(others), '');
});
