/**
 * Counts the work of one lookup: a hash probed, a condition tried, a pattern run are one step each. Equal on every machine,
 * so that tests can hold a table to its promise without a stopwatch.
 */
export interface LookupSteps {
  count: number;
}
