/** The address as it is without IPv6 around it: an IPv4 address that a socket shows in mapped form (RFC 4291 §2.5.5.2) as IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
