import { type Result, fail, ok } from '@weft/kernel';
import type { GrpcMethodMatch } from '@weft/model';
import { type LinearPattern, compilePattern } from './linear-pattern.ts';

/** A match on gRPC service and method as a match on the path `/service/method`. */
export interface GrpcPattern {
  /** Both are given and literal: then `text` is the path, and no pattern is needed. */
  readonly exact: boolean;
  /** For people, and unique for what it matches: `/shop.v1.Orders/*`, `/~shop[.].+/~Get.+`. */
  readonly text: string;
  readonly pattern: LinearPattern | null;
  /** Precedence among matches that hold for one request, the larger wins; see `grpcRank`. */
  readonly rank: number;
}

/** A fault of `service` or of `method`. */
export interface GrpcPatternFault {
  readonly field: 'service' | 'method';
  readonly message: string;
}

/** Literal names cost one look-up or one comparison; only regular expressions run the pattern engine. */
export function compileGrpcPattern(match: GrpcMethodMatch): Result<GrpcPattern, GrpcPatternFault> {
  const { type, service, method } = match;
  const sign = type === 'RegularExpression' ? '~' : '';
  const text = `/${service === '' ? '*' : sign + service}/${method === '' ? '*' : sign + method}`;
  const rank = grpcRank(match);
  if (type === 'Exact') {
    if (service !== '' && method !== '') return ok({ exact: true, text, pattern: null, rank });
    return ok({ exact: false, text, pattern: service === '' ? anyService(method) : anyMethod(service), rank });
  }
  const compiledService = service === '' ? null : compilePattern(service);
  if (compiledService?.ok === false) return fail({ field: 'service', message: compiledService.error });
  const compiledMethod = method === '' ? null : compilePattern(method);
  if (compiledMethod?.ok === false) return fail({ field: 'method', message: compiledMethod.error });
  const pattern = bothParts(text, compiledService?.value ?? null, compiledMethod?.value ?? null);
  return ok({ exact: false, text, pattern, rank });
}

/**
 * Gateway API `GRPCRouteRule.matches`: characters of the service, then characters of the method (headers and age come
 * after). The standard leaves open what a regular expression counts for: here it stands below every literal name and above
 * none, the longer source above the shorter.
 */
function grpcRank({ type, service, method }: GrpcMethodMatch): number {
  const kind = type === 'Exact' ? 2 : 1;
  const part = (name: string): number => (name === '' ? 0 : kind * LENGTHS + Math.min(name.length, LENGTHS - 1));
  return part(service) * (4 * LENGTHS) + part(method);
}

/** Names have at most 1,024 characters. */
const LENGTHS = 2048;

function anyMethod(service: string): LinearPattern {
  const prefix = `/${service}/`;
  return {
    source: `${prefix}*`,
    literalPrefix: prefix,
    test: (path) => path.length > prefix.length && path.startsWith(prefix) && !path.includes('/', prefix.length),
  };
}

function anyService(method: string): LinearPattern {
  const suffix = `/${method}`;
  return {
    source: `/*${suffix}`,
    literalPrefix: '/',
    test: (path) => {
      const at = path.length - suffix.length;
      return at > 1 && path.endsWith(suffix) && path.indexOf('/', 1) === at;
    },
  };
}

function bothParts(source: string, service: LinearPattern | null, method: LinearPattern | null): LinearPattern {
  return {
    source,
    literalPrefix: `/${service?.literalPrefix ?? ''}`,
    test: (path) => {
      const slash = path.indexOf('/', 1);
      if (slash < 2 || slash === path.length - 1 || path.includes('/', slash + 1)) return false;
      if (service !== null && !service.test(path.slice(1, slash))) return false;
      return method === null || method.test(path.slice(slash + 1));
    },
  };
}
