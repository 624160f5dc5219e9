import type { TextFormat } from '../schema/text-format.ts';
import { headerName } from '../schema/text-format.ts';
import { type ValueOf, choice, flag, integer, list, object, optional, text } from './field-vocabulary.ts';

const HOST = /^(?:\*|(?:\*\.?)?[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?|\[[0-9a-f:.]+\])$/i;

/** Gateway API `CORSOrigin`: `*`, or scheme, host and at times a port; the host may begin with `*`. */
const origin: TextFormat = {
  name: 'cors-origin',
  expected: '"*", or an origin such as https://shop.example.com, https://*.example.com or http://localhost:8080',
  matches: (value) => value === '*' || isOrigin(value),
};

const corsMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', '*'] as const;

/** Gateway API `HTTPCORSFilter`. */
export const cors = object(
  {
    allowOrigins: optional(
      list(text(253, origin), 64, { uniqueBy: '' }),
      'Origins whose pages may read responses. "*" alone is any; a host may begin with "*", which stands for any number of labels.',
    ),
    allowCredentials: optional(flag(), 'Whether such requests may carry credentials.', 'false'),
    allowMethods: optional(
      list(choice(corsMethods), 9, { uniqueBy: '' }),
      'Methods besides GET, HEAD and POST, which always may; "*" alone is any.',
    ),
    allowHeaders: optional(list(text(256, headerName), 64, { uniqueBy: '' }), 'Request headers; "*" alone is any.'),
    exposeHeaders: optional(
      list(text(256, headerName), 64, { uniqueBy: '' }),
      'Response headers that a page may read; "*" alone is any.',
    ),
    maxAge: optional(integer(1, 2_147_483_647), 'Seconds for which a browser may keep the answer to a preflight.', '5'),
  },
  (value, report) => {
    for (const name of ['allowOrigins', 'allowMethods', 'allowHeaders', 'exposeHeaders'] as const) {
      const words: readonly string[] = value[name] ?? [];
      if (words.length > 1 && words.includes('*')) {
        report([name], 'conflicting-fields', { message: '"*" stands beside others', expected: '"*" alone' });
      }
    }
    if (value.allowCredentials === true && value.exposeHeaders?.includes('*') === true) {
      const message = 'with credentials a browser takes "*" for the name of a header';
      report(['exposeHeaders'], 'conflicting-fields', { message, expected: 'names of headers' });
    }
  },
);

export type CorsSpec = ValueOf<typeof cors>;

function isOrigin(value: string): boolean {
  const match = /^https?:\/\/([^:/]+|\[[^\]]+\])(?::([0-9]{1,5}))?$/.exec(value);
  if (match === null || !HOST.test(match[1]!)) return false;
  const port = match[2] === undefined ? 1 : Number(match[2]);
  return port >= 1 && port <= 65_535;
}
