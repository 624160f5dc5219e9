import { type Result, fail, ok } from '@weft/kernel';
import type { CallFault, TapDirection, TapRequest } from '@weft/wire';

const DIRECTIONS: ReadonlyMap<string, TapDirection> = new Map([
  ['', 'Inbound'],
  ['inbound', 'Inbound'],
  ['outbound', 'Outbound'],
  ['both', 'Both'],
]);
const MOST_CHARACTERS = 256;
const DEFAULT_RATE = 20;
const MOST_RATE = 100;
const LASTS_MS = 600_000;

/**
 * `target`, `direction` (inbound, outbound, both; inbound when absent, so that a request is seen once), `destination`,
 * `method`, `path` (a prefix), `status` (`404`, `5xx`), `slower` (milliseconds), `rate` (1 to 100 a second and proxy). Values
 * of header fields are never asked for here.
 */
export function readTapQuery(query: URLSearchParams): Result<TapRequest, CallFault> {
  const text = (name: string): string => (query.get(name) ?? '').slice(0, MOST_CHARACTERS);
  const direction = DIRECTIONS.get(text('direction').toLowerCase());
  if (direction === undefined) return refuse('direction: expected inbound, outbound or both');
  const status = readStatus(text('status'));
  if (status === undefined) return refuse('status: expected a code such as 404, or a class such as 5xx');
  const slowerThanMs = readNumber(text('slower'), 0, 3_600_000, 0);
  if (slowerThanMs === undefined) return refuse('slower: expected milliseconds');
  const maxRate = readNumber(text('rate'), 1, MOST_RATE, DEFAULT_RATE);
  if (maxRate === undefined) return refuse(`rate: expected requests a second, 1 to ${MOST_RATE}`);
  return ok({
    target: text('target'),
    filter: {
      direction,
      destination: text('destination'),
      method: text('method').toUpperCase(),
      path: text('path'),
      statusFrom: status[0],
      statusTo: status[1],
      slowerThanMs,
      maxRate,
      showValues: false,
    },
    lastsMs: LASTS_MS,
  });
}

function readStatus(given: string): readonly [number, number] | undefined {
  if (given === '') return [0, 0];
  if (/^[1-5]xx$/i.test(given)) return [Number(given[0]) * 100, Number(given[0]) * 100 + 99];
  return /^[1-5]\d\d$/.test(given) ? [Number(given), Number(given)] : undefined;
}

function readNumber(given: string, least: number, most: number, absent: number): number | undefined {
  if (given === '') return absent;
  const value = /^\d{1,9}$/.test(given) ? Number(given) : Number.NaN;
  return value >= least && value <= most ? value : undefined;
}

function refuse(message: string): Result<never, CallFault> {
  return fail({ code: 'InvalidArgument', message });
}
