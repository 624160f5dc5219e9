import { FrameFlag, FrameType } from '../frame/frame-type.ts';
import type { FrameScript } from './frame-script.ts';
import type { Reading } from './read-requests.ts';

/** What we refuse and nghttp2 takes, by our word for it, and why. */
const stricter: Readonly<Record<string, string>> = {
  'bad-field-name': 'nghttp2 drops a field whose name is no token, we refuse the request (RFC 9113 §8.2.1)',
  'bad-field-value': 'nghttp2 drops the field, we refuse the request (RFC 9113 §8.2.1)',
  'bad-scheme': 'nghttp2 takes any scheme, we speak http and https',
  'bad-path': 'what HTTP/1.1 could not say in a request line',
  'bad-method': 'what HTTP/1.1 could not say in a request line',
  'method-case': 'a method that differs from a known one by case alone',
  'bad-host': 'nghttp2 does not look into host',
  'empty-host': 'nghttp2 does not look into host',
  'bad-authority': 'what is no host and port',
  'field-value-white-space': 'RFC 9113 §8.2.1; nghttp2 as node:http2 sets it cuts it off or takes it',
  userinfo: 'RFC 9113 §8.3.1 forbids it',
  'missing-authority': 'what no route could be found for',
  'host-differs-from-authority': 'RFC 9113 §8.3.1',
  'duplicate-host': 'nghttp2 compares no fields',
  'duplicate-expect': 'nghttp2 compares no fields',
  'field-name-lookalike': 'CGI servers take content_length for content-length',
  expectation: 'answered with 417; nghttp2 leaves expect to the application',
  'bad-content-length': 'a length of a form that servers read differently',
  'connect-target': 'CONNECT without a port',
  'protocol-without-connect': 'RFC 8441 §4; nghttp2 was not told to take extended CONNECT',
  'bad-stream-id': 'ids below the last one; nghttp2 ignores what comes for closed streams',
  'padding-too-long': 'a connection error on any stream (RFC 9113 §6.1); nghttp2 skips frames of streams it has reset',
  'no-pad-length': 'the same',
  'data-on-closed-stream': 'after the end of both directions (RFC 9113 §5.1); nghttp2 ignores some',
  'headers-on-closed-stream': 'the same',
  'bad-rst-stream-size': 'the same',
  'bad-priority-size': 'a connection error when the stream is not open',
  'priority-on-stream-0': 'RFC 9113 §6.3; nghttp2 ignores it',
  'depends-on-itself': 'nghttp2 ignores priorities since RFC 9113 does',
  'too-many-table-sizes': 'RFC 7541 §4.2: two at the start of a block say all there is to say',
  'bad-setting': 'nghttp2 ignores values of settings it does not know',
  'misplaced-priority-update': 'RFC 9218 §7.1; node:http2 has not asked nghttp2 for it',
  'bad-priority-update-size': 'the same',
  'bad-priority-update': 'the same',
};

/**
 * Says how two readings of one script differ; undefined when they agree, or differ for a reason that is listed. Requests
 * that came whole before the end of a connection may be lost to node:http2, which tells of neither then.
 */
export function differenceOf(script: FrameScript, ours: Reading, theirs: Reading): string | undefined {
  for (const [id, request] of ours.whole) {
    const other = theirs.whole.get(id);
    if (other !== undefined && withoutCase(other) !== withoutCase(request)) {
      return `stream ${id}: we read ${request}, nghttp2 ${other}`;
    }
  }
  const listed = ours.details.some((detail) => Object.hasOwn(stricter, detail));
  if (ours.death !== '' && theirs.death !== '') return undefined;
  if (ours.death !== '') return listed ? undefined : `only we end it: ${ours.details.join(', ')}`;
  if (theirs.death !== '') return laxer(script, ours, theirs) ? undefined : `only nghttp2 ends it: ${theirs.death}`;
  for (const [id, request] of ours.whole) {
    // node:http2 does not tell of a request that was given up behind its end, and takes none behind a GOAWAY.
    if (theirs.whole.has(id) || isReset(script, id) || script.some(({ type }) => type === FrameType.Goaway)) continue;
    return `stream ${id}: only we take ${request}`;
  }
  for (const [id, request] of theirs.whole) {
    if (!ours.whole.has(id) && !listed)
      return `stream ${id}: only nghttp2 takes ${request}: ${ours.details.join(', ')}`;
  }
  return undefined;
}

/** What ends a connection for nghttp2 and not for us, each with the reason why it need not. */
function laxer(script: FrameScript, ours: Reading, theirs: Reading): boolean {
  const has = (type: number, also: (flags: number, bytes: number) => boolean): boolean =>
    script.some((each) => each.type === type && also(each.flags, each.payload.length));
  const isAck = (flags: number): boolean => (flags & FrameFlag.Ack) !== 0;
  // Answers to nothing: counted by us as a flood is, one of them harms nobody.
  if (has(FrameType.Settings, isAck) || has(FrameType.Ping, isAck)) return true;
  // We reset the stream ourselves, so its peer may not know yet (RFC 9113 §5.1).
  if (theirs.death === 'stream-closed' && (ours.details.length > 0 || ours.resets.size > 0)) return true;
  // RFC 9113 §6.3: a stream error.
  if (theirs.death === 'frame-size-error' && has(FrameType.Priority, (_, bytes) => bytes !== 5)) return true;
  // RFC 9113 §6.9: an error of the stream, and none when it is closed already; which it is depends on who answers when.
  if (script.some(({ type, streamId }) => type === FrameType.WindowUpdate && streamId !== 0)) return true;
  // A client that says GOAWAY may still have its answers; node:http2 ends its session when there is a code in it.
  if (has(FrameType.Goaway, () => true)) return true;
  // A message that is malformed is an error of its stream; nghttp2, and node:http2 in its words, end the connection for some.
  return (theirs.death === 'protocol-error' || theirs.death === 'internal-error') && ours.resets.size > 0;
}

function isReset(script: FrameScript, id: number): boolean {
  return script.some(({ type, streamId }) => type === FrameType.RstStream && streamId === id);
}

/** A field that may not stand there and is dropped (RFC 9110 §6.5.1); nghttp2 takes it for that of the message, and refuses it. */
function hasLengthInTrailers(script: FrameScript, id: number): boolean {
  return script.some(
    ({ type, streamId, payload }) =>
      type === FrameType.Headers &&
      streamId === id &&
      payload.includes('content-length') &&
      !payload.includes(':status'),
  );
}

/** The authority is the same in any case; ours is in lower case. */
function withoutCase(request: string): string {
  const [method, target, authority, ...body] = request.split(' ');
  return [method, target, authority?.toLowerCase(), ...body].join(' ');
}

/** What we refuse of a server and nghttp2 takes, beside what is listed above. */
const stricterWithServers: Readonly<Record<string, string>> = {
  'bad-status': 'RFC 9110 §15 knows 100 to 599; nghttp2 takes any three digits',
  'data-before-head': 'RFC 9113 §8.1; nghttp2 lets DATA without bytes stand before the final head',
  'push-promise': 'we have said SETTINGS_ENABLE_PUSH 0 (RFC 9113 §8.4), node:http2 as a client has not',
};

/** ALTSVC (RFC 7838 §4) and ORIGIN (RFC 8336 §2): nghttp2 reads them as a client, to us they are frames of unknown types. */
const ADVICE = [0x0a, 0x0c];

/** The same for the answers of a server. */
export function answerDifferenceOf(script: FrameScript, ours: Reading, theirs: Reading): string | undefined {
  for (const [id, answer] of ours.whole) {
    const other = theirs.whole.get(id);
    if (other !== undefined && other !== answer) return `stream ${id}: we read ${answer}, nghttp2 ${other}`;
  }
  const isListed = (detail: string): boolean =>
    Object.hasOwn(stricter, detail) || Object.hasOwn(stricterWithServers, detail);
  const listed = ours.details.some(isListed);
  if (ours.death !== '' && theirs.death !== '') return undefined;
  if (ours.death !== '') return listed ? undefined : `only we end it: ${ours.details.join(', ')}`;
  if (script.some(({ type }) => ADVICE.includes(type))) return undefined;
  if (theirs.death !== '') return laxer(script, ours, theirs) ? undefined : `only nghttp2 ends it: ${theirs.death}`;
  for (const [id, answer] of ours.whole) {
    if (theirs.whole.has(id) || isReset(script, id) || script.some(({ type }) => type === FrameType.Goaway)) continue;
    if (theirs.resets.has(id) && hasLengthInTrailers(script, id)) continue;
    return `stream ${id}: only we take ${answer}`;
  }
  for (const [id, answer] of theirs.whole) {
    if (!ours.whole.has(id) && !listed && !isReset(script, id))
      return `stream ${id}: only nghttp2 takes ${answer}: ${ours.details.join(', ')}`;
  }
  return undefined;
}
