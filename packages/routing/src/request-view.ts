/**
 * What routing reads of a request. `Head` of `@weft/http` has these members; a test or the CLI may hand in a plain object.
 * Nothing is read that no rule asks for, so strings that are made lazily stay unmade.
 */
export interface RequestView {
  /** Case-sensitive (RFC 9110 §9.1). */
  readonly method: string;
  /** The path without the query, as sent, beginning with `/` (or `*`). Compared byte by byte: make it canonical before. */
  readonly path: string;
  /** Without the `?`; empty when there is none. */
  readonly query: string;
  /** The host asked for, as sent: a port, a trailing dot and upper case are no part of the comparison. */
  readonly authority: string;
  /** The value of a field by its lower-case name; repeated fields are joined with `, ` (RFC 9110 §5.3). */
  valueOf(lowerCaseName: string): string | undefined;
}
