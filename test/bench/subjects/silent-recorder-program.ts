/** Loaded into a sidecar before its own code: puts the recorder that says nothing in the place of the one that tells all. */
import { registerHooks } from 'node:module';

const RECORDER = '/packages/proxy/src/exchange/recorder.ts';
const silent = new URL('silent-recorder.ts', import.meta.url).href;

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    return found.url.endsWith(RECORDER) ? { ...found, url: silent } : found;
  },
});
