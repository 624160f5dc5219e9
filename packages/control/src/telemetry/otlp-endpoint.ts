import { type Result, fail, ok } from '@weft/kernel';

/** Where a collector takes OTLP. */
export interface OtlpEndpoint {
  readonly protocol: 'grpc' | 'http';
  /** An origin, for HTTP with the path that `/v1/traces` and `/v1/metrics` are put behind; no slash at its end. */
  readonly url: string;
}

/** What a person may write, for messages. */
export const otlpEndpointForms =
  'http://HOST:4318, https://HOST:4318, otlp-grpc://HOST:4317 or otlp-grpc+tls://HOST:4317';

/**
 * Reads the address of a collector. `http` and `https` (or `otlp-http`, as sidecars are told) mean OTLP over HTTP, the port may be
 * left out (4318, and 4317 for gRPC). The error says what was expected.
 */
export function readOtlpEndpoint(text: string): Result<OtlpEndpoint, string> {
  const parts = /^(https?|otlp-http|otlp-grpc)(\+tls)?:\/\/([^/?#@\s]+)(\/[^\s?#]*)?$/.exec(text);
  if (parts === null) return fail(otlpEndpointForms);
  const [, scheme = '', tls, authority = '', path = ''] = parts;
  if (tls !== undefined && !scheme.startsWith('otlp-')) return fail(otlpEndpointForms);
  const protocol = scheme === 'otlp-grpc' ? 'grpc' : 'http';
  const rest = path.replace(/\/+$/, '');
  if (protocol === 'grpc' && rest !== '') return fail('no path after otlp-grpc://HOST:PORT');
  const isSecure = scheme === 'https' || tls !== undefined;
  const host = /:\d+$/.test(authority) ? authority : `${authority}:${protocol === 'grpc' ? 4317 : 4318}`;
  const url = `${isSecure ? 'https' : 'http'}://${host}${rest}`;
  return URL.canParse(url) ? ok({ protocol, url }) : fail(otlpEndpointForms);
}
