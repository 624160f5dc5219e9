export { carriedHeaders, carriedTrace, outsideOfTraces } from './preload.ts';
