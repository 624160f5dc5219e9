import { type Schema, list, text, textMap } from '../schema/schema.ts';
import { dnsLabel, dnsName, hostname, labelKey, labelValue } from '../schema/text-format.ts';

export {
  type ValueOf,
  choice,
  decimal,
  duration,
  flag,
  foreign,
  integer,
  list,
  notServed,
  object,
  optional,
  portOrName,
  quantity,
  required,
  status,
  text,
  textMap,
  timestamp,
} from '../schema/schema.ts';

/** Words that several kinds share, so that they mean and allow the same in all of them. */
export const dnsNameSchema: Schema<string> = text(253, dnsName);
export const dnsLabelSchema: Schema<string> = text(63, dnsLabel);

export const gatewayApiGroup = 'gateway.networking.k8s.io';
export const weftGroup = 'weft.dev';

const DAY_MS = 86_400_000;

/** The longest time that a policy may name. Longer ones are mistakes in the unit more often than meant. */
export const longestDurationMs = 365 * DAY_MS;

export function labels(): Schema<Readonly<Record<string, string>>> {
  return textMap(labelKey, text(63, labelValue, 0), 64);
}

export function hostnames(): Schema<readonly string[]> {
  return list(text(253, hostname), 16, { uniqueBy: '' });
}
