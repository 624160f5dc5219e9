import type { ProxyStatus } from '@weft/wire';
import { CommandFault, exitCodes } from '../exit-code.ts';

/**
 * The proxy that a person means: `shop/cart-x7`, `cart-x7`, or a workload (`cart`, `shop/cart`) or Gateway it serves, of which
 * any connected proxy will do. Throws a `CommandFault` that names those there are.
 */
export function chooseProxy(proxies: readonly ProxyStatus[], meant: string): ProxyStatus {
  const by = (names: (proxy: ProxyStatus) => readonly string[]): ProxyStatus[] =>
    proxies.filter((proxy) => names(proxy).includes(meant));
  const exact = by(({ name }) => [name, name.split('/')[1] ?? '']);
  const found =
    exact.length > 0
      ? exact
      : by(({ workload, gateway }) => [
          workload.name,
          `${workload.namespace}/${workload.name}`,
          gateway,
          gateway.split('/')[1] ?? '',
        ]);
  const chosen = found.find(({ state }) => state !== 'Lost') ?? found[0];
  if (chosen !== undefined) return chosen;
  const names = proxies.slice(0, 40).map(({ name }) => name);
  const known = names.length === 0 ? 'no proxy is connected' : `there are ${names.join(', ')}`;
  throw new CommandFault(exitCodes.unwell, `no proxy or workload ${meant}; ${known}`);
}
