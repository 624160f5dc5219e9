/**
 * Loaded by `--import` before a Weft of any version: writes down what its control plane and its sidecars say over Sync, one
 * message a line (`server` or `client`, base64).
 */
import { appendFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

interface Codec {
  encode(message: unknown): Uint8Array;
}

const { WEFT_SKEW_ROOT: root, WEFT_SKEW_FILE: file } = process.env;
if (root !== undefined && file !== undefined) {
  const wire = (await import(pathToFileURL(`${root}/packages/wire/src/sync-message.ts`).href)) as Record<string, Codec>;
  for (const [name, side] of [
    ['serverMessage', 'server'],
    ['clientMessage', 'client'],
  ] as const) {
    const codec = wire[name]!;
    const encode = codec.encode.bind(codec);
    codec.encode = (message) => {
      const bytes = encode(message);
      appendFileSync(file, `${side} ${Buffer.from(bytes).toString('base64')}\n`);
      return bytes;
    };
  }
}
