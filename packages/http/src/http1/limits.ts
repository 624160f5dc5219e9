/** Bounds of one message. Each is exact: the byte or field that goes past it is refused, wherever the bytes were split. */
export interface Http1Limits {
  /** First line and fields with their line ends and the empty line. Exceeded: 431, or a refused response. */
  readonly headBytes: number;
  /** Request target. Exceeded: 414. */
  readonly targetBytes: number;
  /** Fields of one head or trailer section. At most 65,535. */
  readonly fieldCount: number;
  readonly trailerBytes: number;
  /** Extensions of one chunk (Go CVE-2025-22871 and Kestrel CVE-2025-55315 came through this door). */
  readonly chunkExtensionBytes: number;
  /** Extensions of all chunks of one body. */
  readonly bodyExtensionBytes: number;
  /** 1xx heads before a final one. */
  readonly informationalHeads: number;
  /** Options in `Connection` fields; each is compared with every field. */
  readonly connectionOptions: number;
}

/** 60 KiB and 100 fields are what Envoy takes, 8 KiB is what nginx and haproxy leave for a target. */
export const http1Defaults: Http1Limits = Object.freeze({
  headBytes: 60 * 1024,
  targetBytes: 8 * 1024,
  fieldCount: 100,
  trailerBytes: 8 * 1024,
  chunkExtensionBytes: 1024,
  bodyExtensionBytes: 16 * 1024,
  informationalHeads: 16,
  connectionOptions: 32,
});

/**
 * What a proxy takes from another proxy of the mesh: what that one took, and the fields it adds (found by the fuzzer:
 * a request of exactly 100 fields was refused by the second hop).
 */
export const http1MeshLimits: Http1Limits = Object.freeze({
  ...http1Defaults,
  headBytes: 68 * 1024,
  targetBytes: 9 * 1024,
  fieldCount: 132,
  trailerBytes: 9 * 1024,
});
