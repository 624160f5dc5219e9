import type { Buffer } from 'node:buffer';
import { authorityFault, portStart } from '../authority.ts';
import { foldEquals } from '../byte-class.ts';
import { TargetForm } from '../framing.ts';
import type { Head } from '../head.ts';
import { MethodId } from '../method.ts';

/**
 * RFC 9112 §3.2: which of the four forms the scanned target has, and where authority, path and query lie. `methodId`
 * is known. Returns a detail, empty when the target is well-formed.
 */
export function readTarget(head: Head): string {
  const bytes = head.bytes;
  const start = head.targetStart;
  const end = head.targetEnd;
  if (head.methodId === MethodId.Connect) {
    head.targetForm = TargetForm.Authority;
    head.authorityStart = start;
    head.authorityEnd = end;
    head.pathStart = head.pathEnd = end;
    const fault = authorityFault(bytes, start, end);
    return fault !== '' ? 'bad-target' : portStart(bytes, start, end) === end ? 'connect-without-port' : '';
  }
  if (bytes[start] === 0x2f) {
    head.targetForm = TargetForm.Origin;
    splitPath(head, start, end);
    return '';
  }
  if (bytes[start] === 0x2a && end - start === 1) {
    head.targetForm = TargetForm.Asterisk;
    head.pathStart = start;
    head.pathEnd = end;
    return head.methodId === MethodId.Options ? '' : 'bad-target';
  }
  const authority = schemeEnd(bytes, start, end);
  if (authority < 0) return 'bad-target';
  let pos = authority;
  while (pos < end && bytes[pos] !== 0x2f && bytes[pos] !== 0x3f) pos += 1;
  head.targetForm = TargetForm.Absolute;
  head.authorityStart = authority;
  head.authorityEnd = pos;
  splitPath(head, pos, end);
  return authorityFault(bytes, authority, pos);
}

function splitPath(head: Head, start: number, end: number): void {
  const bytes = head.bytes;
  let pos = start;
  while (pos < end && bytes[pos] !== 0x3f) pos += 1;
  head.pathStart = start;
  head.pathEnd = pos;
  if (pos === end) return;
  head.queryStart = pos + 1;
  head.queryEnd = end;
}

/** Position behind `http://` or `https://`, in any case; -1 for anything else. */
function schemeEnd(bytes: Buffer, start: number, end: number): number {
  const pos = foldEquals(bytes, start, end, 'https://') ? start + 8 : start + 7;
  return pos === start + 8 || foldEquals(bytes, start, end, 'http://') ? pos : -1;
}
