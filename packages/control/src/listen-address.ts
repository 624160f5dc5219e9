import { bracketedHost } from '@weft/kernel';

/** `host:port` by which one here comes to what listens on `host`: loopback where that is every address. */
export function listenAddress(host: string, port: number): string {
  const isEvery = host === '' || host === '0.0.0.0' || host === '::';
  return `${isEvery ? '127.0.0.1' : bracketedHost(host)}:${port}`;
}
