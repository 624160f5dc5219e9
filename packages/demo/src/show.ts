import { describeShop } from './check.ts';
import { HopWatch } from './hop-figures.ts';
import { writeLiveView, writePlainLine } from './live-view.ts';
import type { Surroundings } from './live-view.ts';
import { Mischief } from './mischief.ts';
import type { ProcessSupervisor } from './process-supervisor.ts';
import { Shop } from './shop.ts';
import { delay } from './wait-until.ts';

const SHOPPERS_PER_SECOND = 30;
const EVENTS = 5;
const LIVE_MS = 1_000;
const PLAIN_MS = 2_000;

/** Starts the shop and shows what goes on until `q`, or for `seconds` (0: for ever). */
export async function show(supervisor: ProcessSupervisor, say: (line: string) => void, seconds: number): Promise<void> {
  const startMs = performance.now();
  say('starting a control plane, five services and a database with their sidecars, a gateway and a load generator …');
  const shop = await Shop.start(supervisor);
  const url = `http://127.0.0.1:${shop.edgePort}/`;
  await shop.load.start('shoppers', { proxyPort: shop.edgePort, url: 'http://shop.test/', rate: SHOPPERS_PER_SECOND });
  say(`after ${((performance.now() - startMs) / 1000).toFixed(1)} s: ${describeShop(shop)}`);
  say(
    'edge > web > cart > orders (v1, v2) > stock (1, 2, 3); orders > prices (gRPC) > db (TCP); mutual TLS between each two',
  );
  say(`gateway      curl ${url}`);
  say(`dashboard    ${await shop.control.dashboard()}`);
  say(`configuration ${shop.config.path}: edit a file and see what changes`);
  say(`ask           npx weft status --admin-socket ${shop.control.adminSocket}`);
  say(`logs          ${supervisor.folder}/logs`);
  const screen = new Screen(shop, url, startMs);
  try {
    await screen.run(seconds === 0 ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1000, say);
  } finally {
    screen.close();
  }
}

/** A table that is drawn again and again with keys under it, or plain lines where there is no terminal. */
class Screen {
  private readonly shop: Shop;
  private readonly url: string;
  private readonly startMs: number;
  private readonly isLive: boolean;
  private readonly isColoured: boolean;
  private readonly mischief: Mischief;
  private readonly events: string[];
  private quit: (() => void) | undefined;
  private acting: Promise<void>;

  constructor(shop: Shop, url: string, startMs: number) {
    this.shop = shop;
    this.url = url;
    this.startMs = startMs;
    this.isLive = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
    this.isColoured = this.isLive && !process.env['NO_COLOR'];
    this.mischief = new Mischief(shop);
    this.events = [];
    this.quit = undefined;
    this.acting = Promise.resolve();
  }

  async run(untilMs: number, say: (line: string) => void): Promise<void> {
    const watch = new HopWatch(this.shop);
    const quitting = new Promise<'quit'>((resolve) => (this.quit = () => resolve('quit')));
    if (process.stdin.isTTY) {
      process.stdin.setRawMode(true);
      process.stdin.setEncoding('utf8').on('data', (key: string) => this.press(key));
    }
    await watch.read(await this.shop.load.window('shoppers'));
    if (this.isLive) process.stdout.write('\u001B[2J');
    while (performance.now() < untilMs) {
      const next = await Promise.race([delay(this.isLive ? LIVE_MS : PLAIN_MS), quitting]);
      if (next === 'quit') return;
      const hops = await watch.read(await this.shop.load.window('shoppers'));
      const around = this.describeSurroundings(watch.connected);
      if (!this.isLive) say(writePlainLine(hops, around));
      else this.draw(writeLiveView(hops, around, this.isColoured));
    }
  }

  /** Gives the terminal back as it was. */
  close(): void {
    if (!process.stdin.isTTY) return;
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }

  private describeSurroundings(connected: number): Surroundings {
    return {
      elapsedMs: performance.now() - this.startMs,
      connected,
      proxies: this.shop.sidecars.length,
      canary: this.mischief.canary,
      url: this.url,
      configFolder: this.shop.config.path,
      events: this.events,
    };
  }

  private draw(lines: readonly string[]): void {
    const width = process.stdout.columns;
    // Home, then each line with the rest of the old one cleared, then all below.
    const text = lines.map((line) => `${this.isColoured ? line : line.slice(0, width)}\u001B[K`).join('\n');
    process.stdout.write(`\u001B[H${text}\n\u001B[J`);
  }

  private press(key: string): void {
    // Raw mode takes Ctrl-C from the terminal.
    if (key === 'q' || key === '\u0003') {
      this.quit?.();
      return;
    }
    const act = this.actionOf(key);
    if (act === undefined) return;
    this.acting = this.acting.then(async () => {
      let said: string;
      try {
        said = await act();
      } catch (error) {
        said = (error as Error).message;
      }
      this.events.push(`${Math.floor((performance.now() - this.startMs) / 1000)} s  ${said}`);
      if (this.events.length > EVENTS) this.events.shift();
    });
  }

  private actionOf(key: string): (() => Promise<string> | string) | undefined {
    const { mischief } = this;
    if (key === 'b') return () => mischief.break();
    if (key === 's') return () => mischief.slow();
    if (key === 'k') return () => mischief.control();
    if (key === 'c') return () => mischief.shiftCanary();
    return undefined;
  }
}
