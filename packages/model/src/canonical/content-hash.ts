import { hash } from 'node:crypto';

/**
 * The version of a resource: the first 64 bits of SHA-256 of its canonical bytes, as 16 lower-case hex digits. Long enough
 * that two of a million versions collide with a chance below 1 in 30 million, short enough to send one per resource.
 */
export function hash64(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 16);
}
