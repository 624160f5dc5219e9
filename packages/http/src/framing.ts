/** How the end of a message body is known (RFC 9112 §6.3). */
export const Framing = { None: 0, Length: 1, Chunked: 2, UntilClose: 3 } as const;
export type Framing = (typeof Framing)[keyof typeof Framing];

/** The four forms of a request target (RFC 9112 §3.2). */
export const TargetForm = { Origin: 0, Absolute: 1, Authority: 2, Asterisk: 3 } as const;
export type TargetForm = (typeof TargetForm)[keyof typeof TargetForm];
