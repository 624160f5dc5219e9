import { useEffect, useState } from 'preact/hooks';
import { type Route, readRoute } from '../route.ts';

const MOVED = 'weft-moved';

/** Goes to a page of the dashboard without loading it anew. */
export function go(href: string, isReplaced = false): void {
  if (isReplaced) history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  window.dispatchEvent(new Event(MOVED));
}

/** The page of the address bar. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => readRoute(location.pathname, location.search));
  useEffect(() => {
    const read = (): void => setRoute(readRoute(location.pathname, location.search));
    const click = (event: MouseEvent): void => {
      if (
        event.defaultPrevented ||
        event.button !== 0 ||
        event.metaKey ||
        event.ctrlKey ||
        event.shiftKey ||
        event.altKey
      )
        return;
      const link = event.target instanceof Element ? event.target.closest('a') : null;
      const href = link?.getAttribute('href');
      // Only addresses of ours; `//host` is another's.
      if (link === null || href === null || href === undefined || !/^\/(?!\/)/.test(href)) return;
      event.preventDefault();
      go(href);
      window.scrollTo(0, 0);
    };
    window.addEventListener('popstate', read);
    window.addEventListener(MOVED, read);
    document.addEventListener('click', click);
    return () => {
      window.removeEventListener('popstate', read);
      window.removeEventListener(MOVED, read);
      document.removeEventListener('click', click);
    };
  }, []);
  return route;
}
