/**
 * `npm run test:dashboard`: the dashboard in a real Chromium. `--pictures FOLDER` also takes pictures of the demo.
 * `--only made-up|size|soak|demo` runs one part; `--minutes N` is how long the soak lasts (1), `--soak` runs it alone for 10. Without Chromium it says so and passes.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Look, Tab, findChromium } from './browser.ts';
import { DemoMesh } from './demo-mesh.ts';
import { startMadeUpMesh } from './made-up-mesh.ts';
import type { PageDocument, PageHistory, PageLocation, PageWindow } from './page-globals.ts';

declare const document: PageDocument;
declare const location: PageLocation;
declare const history: PageHistory;
declare const window: PageWindow;

const { values: options } = parseArgs({
  options: {
    pictures: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
    minutes: { type: 'string', default: '' },
    soak: { type: 'boolean', default: false },
  },
});
const only = options.soak ? 'soak' : options.only;
const soakMinutes = Number(options.minutes === '' ? (options.soak ? 10 : 1) : options.minutes);

const HOSTILE = `<img src=x onerror="window.taken=1">"'&\u202e</script><script>window.taken=1</script>`;
const LOOKS: readonly Look[] = [
  { theme: 'light', width: 1440 },
  { theme: 'dark', width: 1440 },
  { theme: 'light', width: 390 },
  { theme: 'dark', width: 390 },
];

/** Documents that all replicas of the control plane tell of, of which the made-up mesh has one that is silent. */
const PARTIAL: ReadonlySet<string> = new Set(['/', '/proxies']);

/** What README and docs show. */
const PICTURED: ReadonlySet<string> = new Set(['topology', 'service', 'request', 'proxy', 'tap']);

let passed = 0;
let failed = 0;

function check(what: string, faults: readonly string[]): void {
  if (faults.length === 0) passed += 1;
  else failed += 1;
  console.log(`${faults.length === 0 ? 'ok    ' : 'FAILED'} ${what}`);
  for (const fault of faults) console.log(`         ${fault}`);
}

/** Names that would be markup, on every page, in both themes and at both widths: shown as text, and readable by everyone. */
async function madeUp(tab: Tab): Promise<void> {
  const mesh = await startMadeUpMesh({ services: 24, edges: 34, hostile: HOSTILE });
  try {
    const id = `service-1${HOSTILE}`;
    const name = encodeURIComponent(id);
    const pages: readonly (readonly [string, string])[] = [
      ['/', '.graph .node'],
      ['/services', 'main table'],
      [`/services/team-1/${name}`, '.chart canvas'],
      ['/proxies', 'main table'],
      [`/proxies/team-1/${encodeURIComponent(`${id}-1`)}`, '.chart canvas'],
      ['/config', 'main table'],
      [`/config/Service/team-1/${name}`, 'main pre'],
      ['/requests/abc', '.waterfall'],
      ['/requests/none', 'main table'],
      ['/tap', '.filters'],
      ['/events', '.events'],
    ];
    for (const look of LOOKS) {
      await tab.as(look);
      for (const [path, sign] of pages) {
        const at = `${path.replace(name, 'service-1').slice(0, 40)} ${look.theme} ${look.width}`;
        await tab.go(mesh.url, path, sign);
        if (path === '/tap') {
          await tab.page.click('.filters .primary');
          await tab.page.waitForSelector('tbody tr');
        }
        if (PARTIAL.has(path)) {
          const said = await tab.page.evaluate(() => document.querySelector('.partial')?.textContent ?? '');
          check(`a replica that was not reached is named: ${at}`, /two: no answer within/.test(said) ? [] : [said]);
        }
        const { taken, images, overflow } = await tab.page.evaluate(() => ({
          taken: 'taken' in globalThis,
          images: document.querySelectorAll('img, script:not([src])').length,
          overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        }));
        check(`hostile names are text, and the page has its width: ${at}`, [
          ...(taken ? ['a name has run as a script'] : []),
          ...(images > 0 ? ['a name has become an element'] : []),
          ...(overflow > 0 ? [`${overflow} pixels stick out`] : []),
        ]);
        check(`axe finds nothing serious: ${at}`, await tab.axeFaults());
      }
    }
  } finally {
    await tab.page.goto('about:blank');
    await mesh.stop();
  }
  await keyboard(tab);
  check('no script failed, nothing was refused by the policy', tab.complaints.splice(0));
}

async function keyboard(tab: Tab): Promise<void> {
  const mesh = await startMadeUpMesh({ services: 6, edges: 8 });
  try {
    await tab.as(LOOKS[0]!);
    await tab.go(mesh.url, '/', '.graph .node');
    const hash = await tab.page.evaluate(() => location.href);
    check('the token leaves the address at once', hash.includes('token') ? [hash] : []);
    await tab.page.keyboard.press('g');
    await tab.page.keyboard.press('p');
    await tab.page.waitForFunction(() => location.pathname === '/proxies');
    await tab.page.waitForSelector('main input[type=search]');
    await tab.page.keyboard.press('/');
    const focus = await tab.page.evaluate(() => document.activeElement?.getAttribute('type'));
    check('keys lead to pages and to the filter', focus === 'search' ? [] : [`the focus is on ${focus}`]);
    await tab.page.goBack({ waitUntil: 'domcontentloaded' });
    await tab.page.waitForSelector('.graph .node');
    check('the way back is where one was', []);
    await tab.page.click('.theme');
    const theme = await tab.page.evaluate(() => document.documentElement.dataset['theme']);
    check('the theme can be chosen', theme === 'dark' ? [] : [`it is ${theme}`]);
    await tab.page.click('.theme');
  } finally {
    await tab.page.goto('about:blank');
    await mesh.stop();
  }
}

/** 500 services and 2,000 connections: how long the first paint takes, and how long new figures stop the page. */
async function size(tab: Tab): Promise<void> {
  const mesh = await startMadeUpMesh({ services: 500, edges: 2_100 });
  try {
    await tab.as(LOOKS[0]!);
    for (const [name, path] of [
      ['by namespace', '/'],
      ['all services', '/?open=all'],
    ] as const) {
      await tab.go(mesh.url, path, '.graph .node');
      const before = mesh.topologyReads();
      const busyBefore = await tab.busy();
      const figures = await tab.page.evaluate(async () => {
        const paint = performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1;
        const stops: number[] = [];
        const watch = new PerformanceObserver((list) =>
          stops.push(...list.getEntries().map(({ duration }) => duration)),
        );
        watch.observe({ type: 'longtask' as 'measure' });
        await new Promise((resolve) => setTimeout(resolve, 16_000));
        watch.disconnect();
        return {
          paint,
          stops,
          nodes: document.querySelector('.graph')?.dataset['nodes'],
          edges: document.querySelector('.graph')?.dataset['edges'],
        };
      });
      const updates = mesh.topologyReads() - before;
      const busy = await tab.busy();
      const eachMs = (busy.wallMs - busyBefore.wallMs) / Math.max(1, updates);
      const processorMs = (busy.processorMs - busyBefore.processorMs) / Math.max(1, updates);
      const longest = Math.max(0, ...figures.stops);
      console.log(
        `       500 services, ${name}: ${figures.nodes} nodes, ${figures.edges} edges; first paint ${figures.paint.toFixed(0)} ms; ` +
          `${updates} updates, from one to the next the page's thread is busy for ${eachMs.toFixed(1)} ms (${processorMs.toFixed(1)} ms of processor), ` +
          `${figures.stops.length} stops over 50 ms, longest ${longest.toFixed(0)} ms`,
      );
      check(`new figures come while one looks: ${name}`, updates >= 2 ? [] : [`${updates} updates in 16 s`]);
      // Figures, no checks: a machine with other work says nothing of the page.
      const held = (value: number, must: number): string => `${value <= must ? 'within' : 'above'} ${must} ms`;
      console.log(
        `       first paint ${held(figures.paint, 1_000)}, update ${held(eachMs, 100)}, load ${loadavg()[0]!.toFixed(1)}`,
      );
    }
  } finally {
    await tab.page.goto('about:blank');
    await mesh.stop();
  }
}

/** A tab that stays open, with figures that change and pages that come and go: its memory after garbage collection. */
async function soak(tab: Tab): Promise<void> {
  const mesh = await startMadeUpMesh({ services: 120, edges: 400 });
  try {
    await tab.as(LOOKS[0]!);
    await tab.go(mesh.url, '/?open=all', '.graph .node');
    const untilMs = performance.now() + soakMinutes * 60_000;
    const heaps: number[] = [];
    while (performance.now() < untilMs || heaps.length < 4) {
      for (const href of ['/services', '/services/team-1/service-1', '/tap', '/?open=all']) {
        // As the way back does: within the page, without loading it anew.
        await tab.page.evaluate((to) => {
          history.pushState(null, '', to);
          window.dispatchEvent(new Event('popstate'));
        }, href);
        await tab.page.waitForSelector('main h1');
        await new Promise((resolve) => setTimeout(resolve, 2_200));
      }
      heaps.push(await tab.heapBytes());
    }
    const rounds = heaps.length;
    // The first rounds fill caches of the engine.
    const early = Math.max(...heaps.slice(1, 1 + Math.ceil(rounds / 3)));
    const late = Math.min(...heaps.slice(-Math.ceil(rounds / 3)));
    const grown = (late - early) / 1e6;
    console.log(`       heap after each round, MB: ${heaps.map((bytes) => (bytes / 1e6).toFixed(1)).join(' ')}`);
    check(
      `memory of the tab does not grow in ${rounds} rounds`,
      grown > 3 ? [`it has grown by ${grown.toFixed(1)} MB`] : [],
    );
  } finally {
    await tab.page.goto('about:blank');
    await mesh.stop();
  }
  check('no script failed in the soak', tab.complaints.splice(0));
}

/** Every page against the live demo. */
async function demo(tab: Tab): Promise<void> {
  const mesh = await DemoMesh.start();
  try {
    await tab.as(LOOKS[0]!);
    await tab.go(mesh.url, '/', '.graph .node');
    await tab.page.waitForFunction(() => Number(document.querySelector('.graph')?.dataset['edges']) >= 5);
    const seen = await tab.page.evaluate(() => document.querySelector('main')?.textContent ?? '');
    check(
      'the topology shows the shop with its traffic',
      ['edge', 'web', 'cart', 'orders', 'stock']
        .filter((name) => !seen.includes(name))
        .map((name) => `${name} is missing`),
    );
    await tab.go(mesh.url, '/tap?target=shop/stock', '.filters');
    await tab.page.click('.filters .primary');
    await tab.page.waitForSelector('tbody tr a');
    const why = await tab.page.evaluate(
      () =>
        [...document.querySelectorAll('tbody a')]
          .map((each) => each.getAttribute('href'))
          .find((href) => href?.startsWith('/requests/')) ?? '',
    );
    check('the tap shows live requests, each with a way to its reasons', why === '' ? ['no link'] : []);
    const pages: readonly (readonly [string, string, string])[] = [
      ['topology', '/', '.graph .node'],
      ['service', '/services/shop/stock', 'tbody .badge'],
      ['services', '/services', 'tbody a'],
      ['proxies', '/proxies', 'tbody a'],
      ['proxy', '/proxies/shop/cart', '.chart canvas'],
      ['config', '/config', 'tbody a'],
      ['tap', '/tap?target=shop/stock', '.filters'],
      ['request', await keptRequest(tab, mesh.url), '.waterfall'],
    ];
    for (const look of options.pictures === '' ? LOOKS.slice(0, 1) : LOOKS) {
      await tab.as(look);
      for (const [name, path, sign] of pages) {
        if (path === '') continue;
        await tab.go(mesh.url, path, sign);
        if (name === 'tap') {
          await tab.page.click('.filters .primary');
          await tab.page.waitForSelector('tbody tr a');
        }
        if (name === 'topology' || name === 'tap') await new Promise((resolve) => setTimeout(resolve, 2_000));
        check(`${name} of the demo, ${look.theme} ${look.width}`, await tab.axeFaults());
        if (options.pictures !== '' && PICTURED.has(name)) await picture(tab, name, look);
      }
    }
  } finally {
    await tab.page.goto('about:blank');
    await mesh.stop();
  }
  check('no script failed against the demo', tab.complaints.splice(0));
}

/** A request that some sidecar remembers: of those tapped, not all are kept. */
async function keptRequest(tab: Tab, url: string): Promise<string> {
  for (let round = 0; round < 4; round += 1) {
    await tab.go(url, '/tap?target=shop/edge&direction=outbound', '.filters');
    await tab.page.click('.filters .primary');
    await tab.page.waitForSelector('tbody tr a');
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const found = await tab.page.evaluate(async () => {
      const links = [...document.querySelectorAll('tbody a')].map((each) => each.getAttribute('href') ?? '');
      const headers = { authorization: `Bearer ${sessionStorage.getItem('weft-token')}` };
      for (const link of links.filter((href) => href.startsWith('/requests/')).slice(0, 60)) {
        const answer = await fetch(link.replace('/requests/', '/api/v1/why/'), { headers });
        const { hops } = (await answer.json()) as { hops: unknown[] };
        if (hops.length > 3) return link;
      }
      return '';
    });
    if (found !== '') return found;
  }
  check('a tapped request is remembered by the sidecars it crossed', ['none of 240 is']);
  return '';
}

async function picture(tab: Tab, name: string, { theme, width }: Look): Promise<void> {
  await tab.page.screenshot({ path: join(options.pictures, `${name}-${theme}-${width}.png`) as `${string}.png` });
}

const chromium = findChromium();
if (chromium === undefined) {
  console.log('skipped: there is no Chromium; on Debian: apt-get install chromium (or set CHROMIUM to its path)');
  console.log('0 passed, 0 failed, 1 skipped');
} else {
  execFileSync(
    process.execPath,
    [fileURLToPath(new URL('../../deploy/build/dashboard.ts', import.meta.url)), '--if-changed'],
    { stdio: 'inherit' },
  );
  if (options.pictures !== '') {
    rmSync(options.pictures, { recursive: true, force: true });
    mkdirSync(options.pictures, { recursive: true });
  }
  const tab = await Tab.open(chromium);
  try {
    for (const [name, part] of Object.entries({ 'made-up': madeUp, size, soak, demo })) {
      if (only === '' || only === name) await part(tab);
    }
  } catch (error) {
    check('it ran to its end', [(error as Error).message, ...tab.complaints]);
  } finally {
    await tab.close();
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
