/** A name or address as it stands before a port: an IPv6 address goes in brackets (RFC 3986, section 3.2.2), once. */
export function bracketedHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}
