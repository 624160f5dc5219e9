import { h1Plain } from './h1-plain.ts';
import { latency1k } from './latency-1k.ts';
import type { Measure } from './measure.ts';
import { mtlsPair } from './mtls-pair.ts';

/** In the order of the default run. */
export const measures: readonly Measure[] = [h1Plain, mtlsPair, latency1k];
