/** Which proxy leads to an API server, by the kubeconfig or the environment, as kubectl chooses. */
import { BlockList, isIP } from 'node:net';
import { type Result, fail, ok } from '@weft/kernel';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `said` is `proxy-url` of the kubeconfig, which stands over `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`; undefined: none. The fault
 * is one line for a person.
 */
export function chooseProxy(said: string, server: URL, env: Environment): Result<string | undefined, string> {
  const where = said === '' ? 'the environment' : 'proxy-url of the kubeconfig';
  const given = said === '' ? proxyOfEnvironment(server, env) : said;
  if (given === '') return ok(undefined);
  // In the environment the scheme may be left out.
  const url = URL.parse(said === '' && !given.includes('://') ? `http://${given}` : given);
  if (url === null || url.hostname === '') return fail(`${where}: ${JSON.stringify(given)} is no address of a proxy`);
  if (!isDecodable(url.username) || !isDecodable(url.password)) {
    return fail(`${where}: the name or the secret of the proxy has a % that is no escape; write it as %25`);
  }
  if (url.protocol === 'http:' || url.protocol === 'https:') return ok(url.href);
  const kind = url.protocol.replace(/:$/, '');
  return fail(`${where} names a ${kind} proxy; weft goes through http and https ones (CONNECT) only`);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function proxyOfEnvironment(server: URL, env: Environment): string {
  const name = server.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const given = env[name.toUpperCase()] || env[name] || '';
  return given === '' || isExempt(server, env['NO_PROXY'] || env['no_proxy'] || '') ? '' : given;
}

/** `host`, `.domain`, `*.domain`, an address, a range, each with a port or not; `*` is all. Loopback never takes a proxy. */
function isExempt({ hostname, port, protocol }: URL, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const family = isIP(host);
  if (host === 'localhost' || (family !== 0 && isInRange(host, family === 6 ? '::1/128' : '127.0.0.0/8'))) return true;
  const actualPort = port === '' ? (protocol === 'https:' ? '443' : '80') : port;
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === '*') return true;
      if (entry === '') return false;
      if (family !== 0 && (entry === host || (entry.includes('/') && isInRange(host, entry)))) return true;
      const [, named = '', ported = ''] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (ported !== '' && ported !== actualPort) return false;
      const bare = named.replace(/^\[|\]$/g, '').replace(/^\*?\./, '');
      if (bare === host) return named === bare || named === `[${bare}]`;
      return family === 0 && bare !== '' && host.endsWith(`.${bare}`);
    });
}

function isInRange(host: string, range: string): boolean {
  const [network = '', bits = ''] = range.split('/');
  const family = isIP(network);
  if (family === 0 || family !== isIP(host) || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 6 ? 128 : 32)) {
    return false;
  }
  const type = family === 6 ? 'ipv6' : 'ipv4';
  const ranges = new BlockList();
  ranges.addSubnet(network, Number(bits), type);
  return ranges.check(host, type);
}
