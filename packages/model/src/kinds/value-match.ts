import type { CheckRegularExpression, Report } from '../schema/schema.ts';
import { headerName, headerValue } from '../schema/text-format.ts';
import { choice, object, optional, required, text } from './field-vocabulary.ts';

export const matchType = choice(['Exact', 'RegularExpression']);

/** Gateway API `HTTPHeaderMatch` and `GRPCHeaderMatch`. */
export const headerMatch = object(
  {
    type: optional(matchType, 'How value is compared.', 'Exact'),
    name: required(text(256, headerName), 'Name of the header, in any case.'),
    value: required(text(4096, headerValue), 'Value to compare with.'),
  },
  checkPattern,
);

/** A backtracking engine never sees a pattern of a user: RE2 syntax is checked here, linear time is the router's. */
export function checkPattern(
  match: { readonly type?: string; readonly value?: string },
  report: Report,
  checkRegularExpression: CheckRegularExpression,
): void {
  if (match.type !== 'RegularExpression') return;
  const fault = checkRegularExpression(match.value ?? '');
  if (fault !== undefined)
    report(['value'], 'bad-value', { message: fault, expected: 'a regular expression in RE2 syntax' });
}
