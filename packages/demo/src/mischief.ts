import type { Shop } from './shop.ts';

const SLOWER_MS = 100;

const canaries = [
  [80, 20],
  [50, 50],
  [0, 100],
] as const;

/** What the keys do to the shop. Each answers with one line for a person. */
export class Mischief {
  private readonly shop: Shop;
  private brokenStage: number;
  private isSlow: boolean;
  private canaryStage: number;
  private isControlDead: boolean;

  constructor(shop: Shop) {
    this.shop = shop;
    this.brokenStage = 0;
    this.isSlow = false;
    this.canaryStage = 0;
    this.isControlDead = false;
  }

  get canary(): string {
    return canaries[this.canaryStage]!.join('/');
  }

  /** One instance answers 503, then all of them, then none. */
  async break(): Promise<string> {
    this.brokenStage = (this.brokenStage + 1) % 3;
    const broken = ([[], ['stock-2'], ['stock-1', 'stock-2', 'stock-3']] as const)[this.brokenStage]!;
    await Promise.all(
      this.shop.stock.map(({ name, service }) =>
        service.set({ status: (broken as readonly string[]).includes(name) ? 503 : 0 }),
      ),
    );
    if (this.brokenStage === 0) return 'the stock is well again: probes will find out';
    if (this.brokenStage === 1) return 'stock-2 answers 503: it is ejected, callers hardly notice';
    return 'the whole stock answers 503: the breaker opens and refuses at once';
  }

  async slow(): Promise<string> {
    this.isSlow = !this.isSlow;
    await this.shop.instance('stock-1').service.set({ delayMs: this.isSlow ? SLOWER_MS : 0 });
    return this.isSlow ? `stock-1 takes ${SLOWER_MS} ms longer: it loses its share` : 'stock-1 is fast again';
  }

  /** Kills it, or starts it again. */
  async control(): Promise<string> {
    const { control } = this.shop;
    if (!this.isControlDead) {
      this.isControlDead = true;
      control.process.signal('SIGKILL');
      await control.process.ended;
      return 'the control plane is killed: traffic goes on; k starts it again';
    }
    await control.restart();
    this.isControlDead = false;
    return 'the control plane is back';
  }

  /** Edits the YAML, as a person would. */
  shiftCanary(): string {
    this.canaryStage = (this.canaryStage + 1) % canaries.length;
    const [v1, v2] = canaries[this.canaryStage]!;
    this.shop.config.setCanary(v1, v2);
    return `canary.yaml: orders-v1 ${v1}, orders-v2 ${v2}${this.isControlDead ? '; nobody reads it while the control plane is dead' : ''}`;
  }
}
