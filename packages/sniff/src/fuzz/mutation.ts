import { Buffer } from 'node:buffer';
import type { Random } from '@weft/kernel';

/** Longer inputs than any reader waits for, and no longer. */
const MOST_BYTES = 80_000;

/** A changed copy: one to five of flip, replace, delete, repeat, splice, cut, a length made large or small, and a long tail. */
export function mutate(bytes: Buffer, corpus: readonly Buffer[], random: Random): Buffer {
  let changed = Buffer.from(bytes);
  const rounds = 1 + Math.floor(random() * 5);
  for (let round = 0; round < rounds; round += 1) changed = mutateOnce(changed, corpus, random);
  return changed.subarray(0, MOST_BYTES);
}

function mutateOnce(bytes: Buffer, corpus: readonly Buffer[], random: Random): Buffer<ArrayBuffer> {
  const at = Math.floor(random() * (bytes.length + 1));
  const span = Math.floor(random() * 24);
  const before = bytes.subarray(0, at);
  const copy = Buffer.from(bytes);
  switch (Math.floor(random() * 8)) {
    case 0:
      if (at < copy.length) copy[at]! ^= 1 << Math.floor(random() * 8);
      return copy;
    case 1:
      if (at < copy.length) copy[at] = Math.floor(random() * 256);
      return copy;
    case 2:
      return Buffer.concat([before, bytes.subarray(at + span)]);
    case 3:
      return Buffer.concat([before, bytes.subarray(at, at + span), bytes.subarray(at)]);
    case 4: {
      const other = corpus[Math.floor(random() * corpus.length)]!;
      return Buffer.concat([before, other.subarray(Math.floor(random() * other.length))]);
    }
    case 5:
      return Buffer.from(before);
    case 6: {
      // Lengths are two bytes nearly everywhere in a ClientHello.
      const lengths = [0, 1, 2, 31, 33, 255, 256, 4_096, 16_384, 16_385, 65_535];
      if (at + 2 <= copy.length) copy.writeUInt16BE(lengths[Math.floor(random() * lengths.length)]!, at);
      return copy;
    }
    default:
      return Buffer.concat([bytes, Buffer.alloc(Math.floor(random() * 40_000), Math.floor(random() * 256))]);
  }
}
