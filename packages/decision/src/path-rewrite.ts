import type { PathRewrite } from '@weft/model';
import { PathKind, type RouteEntry } from '@weft/routing';

/**
 * The path a rewrite makes of a request's path (Gateway API `HTTPPathModifier`). `ReplacePrefixMatch` replaces the prefix
 * that the entry matched; slashes at the end of prefix and replacement do not count, and what would be empty is `/`. With a
 * path that matched as a whole (exact, pattern) the whole is replaced.
 */
export function rewritePath(rewrite: PathRewrite, entry: RouteEntry, path: string): string {
  if (rewrite.type === 'ReplaceFullPath') return rewrite.value === '' ? '/' : rewrite.value;
  const rest = entry.pathKind === PathKind.Prefix ? path.slice(entry.path.length) : '';
  const result = withoutTrailingSlash(rewrite.value) + rest;
  return result === '' ? '/' : result;
}

function withoutTrailingSlash(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 0x2f) end -= 1;
  return text.slice(0, end);
}
