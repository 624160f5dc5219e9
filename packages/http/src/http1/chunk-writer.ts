import type { Buffer } from 'node:buffer';
import type { ByteWriter } from '@weft/kernel';
import type { Head } from '../head.ts';
import { writeTrailerFields } from './writer.ts';

/** Writes chunk[start, end) as one chunk (RFC 9112 §7.1). An empty range writes nothing: it would end the body. */
export function writeChunk(out: ByteWriter, chunk: Buffer, start: number, end: number): void {
  if (end <= start) return;
  writeChunkStart(out, end - start);
  out.copy(chunk, start, end);
  writeChunkEnd(out);
}

/** The bytes before the data of a chunk, for who writes the data without a copy. `bytes` is at least 1. */
export function writeChunkStart(out: ByteWriter, bytes: number): void {
  out.hex(bytes);
  out.latin1('\r\n');
}

/** The bytes behind the data of a chunk. */
export function writeChunkEnd(out: ByteWriter): void {
  out.latin1('\r\n');
}

/** Ends a chunked body. Trailers that would split the section are left out as a whole and false is returned. */
export function writeLastChunk(out: ByteWriter, trailers?: Head): boolean {
  out.latin1('0\r\n');
  const written = trailers === undefined || writeTrailerFields(out, trailers);
  out.latin1('\r\n');
  return written;
}
