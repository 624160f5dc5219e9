import { go } from '../feed/use-route.ts';
import { type Route, withQuery } from '../route.ts';

const WINDOWS: readonly (readonly [string, number])[] = [
  ['1 min', 60_000],
  ['5 min', 300_000],
  ['30 min', 1_800_000],
];

/** How far back figures go: `window` of the address. */
export function windowOf(query: Route['query'], otherwiseMs = 60_000): number {
  const asked = Number(query.get('window'));
  return WINDOWS.some(([, windowMs]) => windowMs === asked) ? asked : otherwiseMs;
}

export function WindowChoice({
  query,
  otherwiseMs = 60_000,
}: {
  readonly query: Route['query'];
  readonly otherwiseMs?: number;
}) {
  const chosen = windowOf(query, otherwiseMs);
  return (
    <div class="choice" role="group" aria-label="Window of time">
      {WINDOWS.map(([name, windowMs]) => (
        <button
          key={name}
          type="button"
          aria-pressed={windowMs === chosen}
          onClick={() => go(`${location.pathname}${withQuery(query.toString(), 'window', String(windowMs))}`, true)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
