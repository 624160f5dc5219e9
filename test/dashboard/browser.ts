import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, type CDPSession, type Page, launch } from 'puppeteer-core';
import type { PageDocument } from './page-globals.ts';

declare const document: PageDocument;

export type Theme = 'light' | 'dark';

export interface Look {
  readonly theme: Theme;
  readonly width: number;
}

export interface BusyTime {
  /** Waiting for a processor included. */
  readonly wallMs: number;
  readonly processorMs: number;
}

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Long, since the machine that runs this may have much else to do. */
const PATIENCE_MS = 120_000;

/** Path of Chromium, `CHROMIUM` first; undefined when there is none. */
export function findChromium(): string | undefined {
  return [process.env['CHROMIUM'] ?? '', ...PROGRAMS].find((path) => path !== '' && existsSync(path));
}

/** One Chromium with one tab, which remembers all that went wrong in it. */
export class Tab {
  readonly page: Page;
  /** Errors of scripts, refusals by the page's policy, dialogs. */
  readonly complaints: string[];
  private readonly browser: Browser;
  private ticks: Promise<CDPSession> | null;

  private constructor(browser: Browser, page: Page) {
    this.browser = browser;
    this.page = page;
    this.complaints = [];
    this.ticks = null;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('pageerror', (error) => this.complaints.push(`error: ${String(error)}`));
    page.on('dialog', (dialog) => {
      this.complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('console', (message) => {
      const text = message.text();
      // What is asked for on purpose and not there.
      if (message.type() === 'error' && !/status of 404/.test(text)) this.complaints.push(`console: ${text}`);
    });
  }

  static async open(program: string): Promise<Tab> {
    const browser = await launch({
      executablePath: program,
      args: ['--no-sandbox', '--headless=new', '--disable-gpu'],
      protocolTimeout: PATIENCE_MS,
      timeout: PATIENCE_MS,
    });
    return new Tab(browser, await browser.newPage());
  }

  async as({ theme, width }: Look): Promise<void> {
    await this.page.setViewport({ width, height: width < 600 ? 844 : 900 });
    await this.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
  }

  /** Opens a page of the dashboard anew, by `url` with its token, and waits for `sign`. */
  async go(url: string, path: string, sign = 'main h1'): Promise<void> {
    const { origin, hash } = new URL(url);
    await this.page.goto('about:blank');
    await this.page.goto(`${origin}${path}${hash}`, { waitUntil: 'domcontentloaded' });
    await this.page.waitForSelector(sign);
    await this.page.waitForFunction(() => document.querySelector('main [aria-busy=true]') === null);
  }

  /** Faults of accessibility that are serious or worse, each with the first place. */
  async axeFaults(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    return this.page.evaluate(async () => {
      const { axe: loaded } = globalThis as unknown as {
        axe: {
          run(): Promise<{ violations: { id: string; impact: string; help: string; nodes: { html: string }[] }[] }>;
        };
      };
      const { violations } = await loaded.run();
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, help, nodes }) => `${id}: ${help} (${nodes.length}): ${nodes[0]?.html.slice(0, 160)}`);
    });
  }

  /** What scripts hold, after the garbage is out. */
  async heapBytes(): Promise<number> {
    const session = await this.page.createCDPSession();
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    await session.detach();
    return usedSize;
  }

  /**
   * How long the page's thread has been in tasks since the tab was opened: answers read, scripts, styles, layout, painting and what
   * a canvas draws, whatever they are for. Threads of the browser that put the picture together are not in it.
   */
  async busy(): Promise<BusyTime> {
    const { TaskDuration: wall = 0 } = await this.page.metrics();
    this.ticks ??= this.page.createCDPSession().then(async (session) => {
      await session.send('Performance.enable', { timeDomain: 'threadTicks' });
      return session;
    });
    const { metrics } = await (await this.ticks).send('Performance.getMetrics');
    const processor = metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0;
    return { wallMs: wall * 1_000, processorMs: processor * 1_000 };
  }

  close(): Promise<void> {
    return this.browser.close();
  }
}
