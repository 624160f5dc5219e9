import type { OverviewJson } from '@weft/control';
import { useEffect, useRef, useState } from 'preact/hooks';
import { accessToken, keepToken } from './feed/access-token.ts';
import { type Live, useDocument } from './feed/use-document.ts';
import { useNow } from './feed/use-now.ts';
import { go, useRoute } from './feed/use-route.ts';
import { span } from './format.ts';
import { ConfigPage } from './pages/config-page.tsx';
import { EventsPage } from './pages/events-page.tsx';
import { ObjectPage } from './pages/object-page.tsx';
import { ProxiesPage } from './pages/proxies-page.tsx';
import { ProxyPage } from './pages/proxy-page.tsx';
import { RequestPage } from './pages/request-page.tsx';
import { ServicePage } from './pages/service-page.tsx';
import { ServicesPage } from './pages/services-page.tsx';
import { TapPage } from './pages/tap-page.tsx';
import { TopologyPage } from './pages/topology-page.tsx';
import { type Page, type Route, requestHref } from './route.ts';
import { type Theme, chooseTheme, showTheme, themeNow } from './theme.ts';

interface Entry {
  readonly href: string;
  readonly name: string;
  /** After `g`. */
  readonly key: string;
  readonly pages: readonly Page[];
}

const ENTRIES: readonly Entry[] = [
  { href: '/', name: 'Topology', key: 't', pages: ['topology'] },
  { href: '/services', name: 'Services', key: 's', pages: ['services', 'service'] },
  { href: '/proxies', name: 'Proxies', key: 'p', pages: ['proxies', 'proxy'] },
  { href: '/config', name: 'Config', key: 'c', pages: ['config', 'object'] },
  { href: '/requests', name: 'Request', key: 'r', pages: ['request'] },
  { href: '/tap', name: 'Tap', key: 'l', pages: ['tap'] },
  { href: '/events', name: 'Events', key: 'e', pages: ['events'] },
];

const GO_MS = 1_000;

/** The frame around all pages: where one can go, and whether what is seen is live. */
export function App() {
  const [token, setToken] = useState(accessToken());
  const [theme, setTheme] = useState<Theme>(themeNow());
  const route = useRoute();
  const overview = useDocument<OverviewJson>(token === '' ? '' : '/api/v1/overview');
  const main = useRef<HTMLElement>(null);
  useKeys();
  useEffect(() => {
    const system = matchMedia('(prefers-color-scheme: dark)');
    const follow = (): void => {
      showTheme(themeNow());
      setTheme(themeNow());
    };
    system.addEventListener('change', follow);
    return () => system.removeEventListener('change', follow);
  }, []);
  useEffect(() => {
    const entry = ENTRIES.find(({ pages }) => pages.includes(route.page));
    document.title = [route.names.at(-1), entry?.name, 'Weft'].filter((part) => part !== undefined).join(' · ');
  }, [route]);

  if (token === '' || overview.status === 401) {
    return (
      <Locked
        isWrong={overview.status === 401}
        onToken={(given) => (keepToken(given), setToken(''), setTimeout(() => setToken(given)))}
      />
    );
  }
  const turn = (): void => {
    const next = theme === 'dark' ? 'light' : 'dark';
    chooseTheme(next);
    setTheme(next);
  };
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        To the content
      </a>
      <header class="top">
        <a href="/" class="brand" aria-label="Weft, to the topology">
          <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
            <rect width="32" height="32" rx="7" />
            <path d="M7 11h18M7 21h18M11 7v18M21 7v18" />
          </svg>
          <b>Weft</b>
        </a>
        <nav aria-label="Pages">
          {ENTRIES.map(({ href, name, key, pages }) => (
            <a key={href} href={href} title={`g ${key}`} aria-current={pages.includes(route.page) ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <Pulse overview={overview} />
        <button
          type="button"
          class="theme"
          onClick={turn}
          aria-label={theme === 'dark' ? 'Light colours' : 'Dark colours'}
          title={theme === 'dark' ? 'Light colours' : 'Dark colours'}
        >
          {theme === 'dark' ? '☀' : '☾'}
        </button>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Shown route={route} theme={theme} />
      </main>
    </>
  );
}

function Shown({ route: { page, names, query }, theme }: { readonly route: Route; readonly theme: Theme }) {
  const id = names.join('/');
  switch (page) {
    case 'topology':
      return <TopologyPage query={query} theme={theme} />;
    case 'services':
      return <ServicesPage query={query} />;
    case 'service':
      return <ServicePage key={id} id={id} query={query} theme={theme} />;
    case 'proxies':
      return <ProxiesPage />;
    case 'proxy':
      return <ProxyPage key={id} name={id} query={query} theme={theme} />;
    case 'config':
      return <ConfigPage />;
    case 'object':
      return <ObjectPage key={id} names={names} />;
    case 'request':
      return <RequestPage id={names[0] ?? ''} />;
    case 'tap':
      return <TapPage query={query} />;
    case 'events':
      return <EventsPage />;
    case 'lost':
      return (
        <p class="empty">
          There is no such page. <a href="/">To the topology</a>
        </p>
      );
  }
}

/** The mesh in a line: how many proxies are up to date, and whether the control plane answers. */
function Pulse({ overview: { value, trouble, seenAtMs } }: { readonly overview: Live<OverviewJson> }) {
  const nowMs = useNow();
  if (value === undefined) return <span class="pulse">{trouble === '' ? 'connecting …' : trouble}</span>;
  const { proxies, server } = value;
  const silent = server.replicas.filter((one) => one.silent !== '').length;
  const unwell = proxies.behind + proxies.refusing + proxies.lost + silent;
  const tone = trouble !== '' || proxies.refusing + proxies.lost > 0 ? 'bad' : unwell > 0 ? 'warn' : 'good';
  const words =
    trouble !== ''
      ? `not live for ${span(nowMs - seenAtMs)}`
      : `${proxies.synced} of ${proxies.all} proxies in sync${silent === 0 ? '' : `, ${silent} of ${server.replicas.length} replicas silent`}`;
  return (
    <a class={`pulse ${tone}`} href="/proxies" title={`${server.server} ${server.version}, mesh ${server.mesh}`}>
      <i aria-hidden="true" />
      <span role="status">{words}</span>
      <span class="soft mesh">{server.mesh}</span>
    </a>
  );
}

function Locked({ isWrong, onToken }: { readonly isWrong: boolean; readonly onToken: (token: string) => void }) {
  const [words, setWords] = useState('');
  return (
    <main class="locked">
      <h1>Weft</h1>
      <p>
        {isWrong ? 'The token is wrong, or the control plane has made a new one. ' : ''}
        In a terminal, <code>weft dashboard</code> opens this page with its token.
      </p>
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          const token = /([\w-]{16,128})\s*$/.exec(words)?.[1];
          if (token !== undefined) onToken(token);
        }}
      >
        <input
          type="password"
          autocomplete="off"
          aria-label="Token, or the whole address"
          placeholder="Token, or the whole address"
          value={words}
          onInput={({ currentTarget }) => setWords(currentTarget.value)}
        />
        <button type="submit" class="primary">
          Open
        </button>
      </form>
    </main>
  );
}

/** `g` and a letter goes to a page, `/` to the filter of this one. */
function useKeys(): void {
  useEffect(() => {
    let goneAtMs = 0;
    const press = (event: KeyboardEvent): void => {
      if (event.metaKey || event.ctrlKey || event.altKey || isTyping(event.target)) return;
      if (event.key === '/') {
        const field = document.querySelector<HTMLInputElement>('main input[type=search]');
        if (field === null) return;
        event.preventDefault();
        field.focus();
      } else if (event.key === 'g') goneAtMs = event.timeStamp;
      else if (event.timeStamp - goneAtMs < GO_MS) {
        const entry = ENTRIES.find(({ key }) => key === event.key);
        goneAtMs = 0;
        if (entry !== undefined) go(entry.href);
      } else if (event.key === 'w') {
        const id = getSelection()?.toString().trim() ?? '';
        // A selected id is asked about.
        if (/^[\w-]{8,128}$/.test(id)) go(requestHref(id));
      }
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(input|select|textarea)$/i.test(target.tagName);
}
