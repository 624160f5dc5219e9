/**
 * `node --import @weft/node app.js`: the application's calls carry the trace of the request they are made for, without a line of
 * code. To import the package is to switch it on.
 */
import { carryTraces } from './trace-carrier.ts';

export { carriedHeaders, carriedTrace, outsideOfTraces } from './trace-carrier.ts';

carryTraces();
