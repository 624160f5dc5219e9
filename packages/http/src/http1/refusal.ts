import type { TerminationCode } from '@weft/outcome';

/** Rows of the Termination table for details of a request head; every other detail is `malformed-request`. */
const requestCodes: Readonly<Record<string, TerminationCode>> = {
  'head-too-large': 'head-too-large',
  'too-many-fields': 'head-too-large',
  'too-many-connection-options': 'head-too-large',
  'target-too-long': 'target-too-long',
  'transfer-coding-unknown': 'transfer-coding-unknown',
  'http-version': 'version-not-supported',
  expectation: 'expectation-failed',
  'method-too-long': 'method-not-served',
};

/** The row for a refused request head. */
export function requestHeadRefusal(detail: string): TerminationCode {
  return requestCodes[detail] ?? 'malformed-request';
}
