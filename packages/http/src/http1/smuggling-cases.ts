import type { TerminationCode } from '@weft/outcome';

/**
 * Messages that some server, proxy or library once read in two ways, and their close relatives that must pass. Rows
 * H1-n are those of the attack matrix in SECURITY.md; the sections are of RFC 9112 unless another is named.
 */
export interface SmugglingCase {
  readonly row: string;
  readonly name: string;
  readonly side: 'request' | 'response';
  /** Latin1 text of the whole connection. */
  readonly bytes: string;
  /** How it ends: a row of the Termination table, or `accepted` when every message in it was read whole. */
  readonly verdict: TerminationCode | 'accepted';
  readonly detail: string;
  /** Final heads delivered before the end. 0 for a refused head: nothing of it may be forwarded. */
  readonly heads: number;
  /** Body bytes delivered. */
  readonly data: string;
  /** Response cases: the method asked with, and what it offered to upgrade to. */
  readonly asked: string;
  readonly offered: string;
}

const BAD = 'malformed-request';
const BAD_BODY = 'malformed-request-body';
const BAD_RESPONSE = 'malformed-response';
const BAD_RESPONSE_BODY = 'malformed-response-body';

const refused = (
  row: string,
  name: string,
  bytes: string,
  detail: string,
  verdict: TerminationCode = BAD,
): SmugglingCase => ({
  row,
  name,
  side: 'request',
  bytes,
  verdict,
  detail,
  heads: 0,
  data: '',
  asked: '',
  offered: '',
});
const accepted = (row: string, name: string, bytes: string, heads = 1, data = ''): SmugglingCase => ({
  ...refused(row, name, bytes, ''),
  verdict: 'accepted',
  heads,
  data,
});
/** A POST with these field lines besides `Host`; the text behind them is the body. */
const post = (fields: string, body = ''): string => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;
const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n`;
const chunked = (body: string): string => post('Transfer-Encoding: chunked', body);
const badBody = (row: string, name: string, body: string, detail: string, data = ''): SmugglingCase => ({
  ...refused(row, name, chunked(body), detail, BAD_BODY),
  heads: 1,
  data,
});
const badResponse = (
  row: string,
  name: string,
  bytes: string,
  detail: string,
  asked = 'GET',
  offered = '',
): SmugglingCase => ({
  ...refused(row, name, bytes, detail, BAD_RESPONSE),
  side: 'response',
  asked,
  offered,
});
const goodResponse = (
  row: string,
  name: string,
  bytes: string,
  data: string,
  asked = 'GET',
  offered = '',
): SmugglingCase => ({
  ...badResponse(row, name, bytes, '', asked, offered),
  verdict: 'accepted',
  heads: 1,
  data,
});

const SMUGGLED = 'GET /admin HTTP/1.1\r\nHost: a\r\n\r\n';

const bothLengths: readonly SmugglingCase[] = [
  refused(
    'H1-1',
    'CL.TE',
    post('Content-Length: 6\r\nTransfer-Encoding: chunked', `0\r\n\r\n${SMUGGLED}`),
    'content-length-and-transfer-encoding',
  ),
  refused(
    'H1-1',
    'TE.CL',
    post('Transfer-Encoding: chunked\r\nContent-Length: 4', `5c\r\n${SMUGGLED}`),
    'content-length-and-transfer-encoding',
  ),
  refused(
    'H1-1',
    'CL 0 with TE',
    post('Content-Length: 0\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
    'content-length-and-transfer-encoding',
  ),
  refused(
    'H1-1',
    'TE in another case with CL',
    post('tRANSFER-eNCODING: Chunked\r\ncONTENT-lENGTH: 3', '0\r\n\r\n'),
    'content-length-and-transfer-encoding',
  ),
  refused(
    'H1-1',
    'CL and TE that Connection nominates',
    post('Connection: content-length\r\nContent-Length: 3\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
    'content-length-and-transfer-encoding',
  ),
];

const codings: readonly SmugglingCase[] = [
  ...[
    [',chunked', 'bad-transfer-encoding'],
    ['chunked,', 'bad-transfer-encoding'],
    ['chunked, identity', 'bad-transfer-encoding'],
    ['chunked, chunked', 'bad-transfer-encoding'],
    ['chunked;a', 'bad-transfer-encoding'],
    ['chunked;a=b', 'bad-transfer-encoding'],
    ['identity', 'bad-transfer-encoding'],
    ['gzip', 'bad-transfer-encoding'],
    ['', 'bad-transfer-encoding'],
    ['"chunked"', 'bad-transfer-encoding'],
    ["'chunked'", 'bad-transfer-encoding'],
    ['xchunked', 'bad-transfer-encoding'],
    ['chunkedx', 'bad-transfer-encoding'],
    ['chunk', 'bad-transfer-encoding'],
    ['cow', 'bad-transfer-encoding'],
    ['chunked\x85', 'bad-transfer-encoding'],
    ['\xa0chunked', 'bad-transfer-encoding'],
    ['chu\xadnked', 'bad-transfer-encoding'],
    ['chunked chunked', 'bad-transfer-encoding'],
    [`${'x,'.repeat(200)}chunked`, 'bad-transfer-encoding'],
  ].map(([value, detail]) => refused('H1-2', `TE ${JSON.stringify(value!.slice(0, 24))}`, chunkedAs(value!), detail!)),
  refused(
    'H1-2',
    'TE with another coding before chunked',
    chunkedAs('gzip, chunked'),
    'transfer-coding-unknown',
    'transfer-coding-unknown',
  ),
  refused(
    'H1-2',
    'TE with an unknown coding before chunked',
    chunkedAs('x,chunked'),
    'transfer-coding-unknown',
    'transfer-coding-unknown',
  ),
  refused('H1-2', 'TE with a vertical tab', chunkedAs('\x0bchunked'), 'bad-value-byte'),
  refused('H1-2', 'TE with a form feed behind', chunkedAs('chunked\x0c'), 'bad-value-byte'),
  refused(
    'H1-2',
    'TE twice, equal',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', '0\r\n\r\n'),
    'duplicate-transfer-encoding',
  ),
  refused(
    'H1-2',
    'TE twice, different',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', '0\r\n\r\n'),
    'duplicate-transfer-encoding',
  ),
  refused(
    'H1-2',
    'TE with an underscore',
    post('Transfer_Encoding: chunked\r\nContent-Length: 5', '0\r\n\r\n'),
    'field-name-lookalike',
  ),
  refused('H1-2', 'TE folded', post('Transfer-Encoding:\r\n chunked', '0\r\n\r\n'), 'obs-fold'),
  refused(
    'H1-2',
    'TE with a space before the colon',
    post('Transfer-Encoding : chunked', '0\r\n\r\n'),
    'space-before-colon',
  ),
  refused('H1-2', 'TE behind a bare LF', post('X: y\nTransfer-Encoding: chunked', '0\r\n\r\n'), 'bare-lf'),
  accepted('H1-2', 'TE in another case', chunkedAs('cHuNkEd')),
  accepted('H1-2', 'TE with a tab before and spaces behind', chunkedAs('\tchunked  ')),
  refused(
    'H1-3',
    'TE in HTTP/1.0',
    'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'transfer-encoding-in-http-1.0',
  ),
  refused(
    'H1-3',
    'TE in HTTP/1.0 with keep-alive',
    'POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'transfer-encoding-in-http-1.0',
  ),
  refused(
    'H1-3',
    'TE on CONNECT',
    'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'transfer-encoding-on-connect',
  ),
  refused(
    'H1-3',
    'CL on CONNECT',
    'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 5\r\n\r\nhello',
    'content-length-on-connect',
  ),
  accepted(
    'H1-3',
    'found by fuzzing: CL 0 on CONNECT announces nothing',
    'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 0\r\n\r\n',
  ),
];

const lengths: readonly SmugglingCase[] = [
  ...[
    '5, 5',
    '5,6',
    '',
    '+5',
    '-5',
    '-0',
    '0x5',
    '5_0',
    '010',
    '00',
    '5 5',
    '5.0',
    '5e0',
    '5;',
    '"5"',
    '\xb5',
    '9007199254740992',
    '18446744073709551621',
    '4294967301a',
    'NaN',
    '5\xa0',
  ].map((value) =>
    refused('H1-4', `CL ${JSON.stringify(value)}`, post(`Content-Length: ${value}`, 'hello'), 'bad-content-length'),
  ),
  refused(
    'H1-4',
    'CL twice, equal',
    post('Content-Length: 5\r\nContent-Length: 5', 'hello'),
    'duplicate-content-length',
  ),
  refused(
    'H1-4',
    'CL twice, different',
    post('Content-Length: 5\r\nContent-Length: 0', 'hello'),
    'duplicate-content-length',
  ),
  refused(
    'H1-4',
    'CL twice, one empty',
    post('Content-Length:\r\nContent-Length: 5', 'hello'),
    'duplicate-content-length',
  ),
  refused('H1-4', 'CL with an underscore', post('Content_Length: 5', 'hello'), 'field-name-lookalike'),
  refused('H1-4', 'CL with NUL', post('Content-Length: 5\x00', 'hello'), 'bad-value-byte'),
  refused('H1-4', 'CL folded', post('Content-Length: 5\r\n 0', 'hello'), 'obs-fold'),
  refused('H1-4', 'CL with a space inside its name', post('Content Length: 5', 'hello'), 'space-before-colon'),
  accepted('H1-4', 'CL with white space around', post('Content-Length: \t5 ', 'hello'), 1, 'hello'),
  accepted('H1-4', 'CL 0', post('Content-Length: 0')),
];

const lineEnds: readonly SmugglingCase[] = [
  refused('H1-5', 'all lines end in LF', 'GET / HTTP/1.1\nHost: a\n\n', 'bare-lf'),
  refused('H1-5', 'a field ends in LF', 'GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n', 'bare-lf'),
  refused('H1-5', 'a LF inside a field name', get('X\nY: z'), 'bare-lf'),
  refused('H1-5', 'the empty line is LF', 'GET / HTTP/1.1\r\nHost: a\r\n\n', 'bare-lf'),
  refused('H1-5', 'CR inside a value', get('X: y\rTransfer-Encoding: chunked'), 'bare-cr'),
  refused('H1-5', 'CR CR LF', 'GET / HTTP/1.1\r\nHost: a\r\r\n\r\n', 'bare-cr'),
  refused('H1-5', 'the head ends in CR X', 'GET / HTTP/1.1\r\nHost: a\r\n\rX', 'bare-cr'),
  refused('H1-5', 'CR in the request line', 'GET / HTTP/1.1\rHost: a\r\n\r\n', 'bare-cr'),
  refused('H1-5', 'a CR before the request', '\rGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'bare-cr'),
  refused('H1-5', 'a LF before the request', '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'bare-lf'),
  refused('H1-5', 'two empty lines before the request', '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', 'empty-line'),
  accepted('H1-5', 'one empty line before the request (§2.2)', '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  refused('H1-6', 'folded field', get('X: y\r\n z'), 'obs-fold'),
  refused('H1-6', 'folded with a tab', get('X: y\r\n\tz'), 'obs-fold'),
  refused('H1-6', 'folded Host', 'GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n', 'obs-fold'),
  refused('H1-6', 'folded into nothing', get('X:\r\n '), 'obs-fold'),
  refused('H1-6', 'folded first field', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', 'leading-space'),
];

const fields: readonly SmugglingCase[] = [
  refused('H1-7', 'space before the colon', get('X : y'), 'space-before-colon'),
  refused('H1-7', 'tab before the colon', get('X\t: y'), 'space-before-colon'),
  refused('H1-7', 'white space before the first field', 'GET / HTTP/1.1\r\n\tHost: a\r\n\r\n', 'leading-space'),
  refused('H1-7', 'empty name', get(': y'), 'empty-name'),
  refused('H1-7', 'no colon', get('X'), 'no-colon'),
  refused('H1-7', 'a second request line as field', get('GET /admin HTTP/1.1'), 'space-before-colon'),
  refused('H1-7', 'NUL in a name', get('X\x00: y'), 'bad-name-byte'),
  refused('H1-7', 'parenthesis in a name', get('X(: y'), 'bad-name-byte'),
  refused('H1-7', 'obs-text in a name', get('X\xff: y'), 'bad-name-byte'),
  refused('H1-7', 'slash in a name', get('X/Y: y'), 'bad-name-byte'),
  refused('H1-7', 'name begins with a quote', get('"Content-Length": 5'), 'bad-name-byte'),
  accepted('H1-7', 'every tchar in a name', get("!#$%&'*+-.^_`|~09azAZ: y")),
  ...['\x00', '\x01', '\x08', '\x0b', '\x1b', '\x1f', '\x7f'].map((byte) =>
    refused('H1-8', `byte ${byte.charCodeAt(0)} in a value`, get(`X: a${byte}b`), 'bad-value-byte'),
  ),
  accepted('H1-8', 'tab and obs-text in a value', get('X: a\tb\x80\xff')),
  accepted('H1-8', 'empty value', get('X:')),
];

const chunks: readonly SmugglingCase[] = [
  ...['0x5', '+5', '-5', ' 5', '5 ', '', 'g', '5_0', '\t5', '5\t', '5.', '5,', '\xb5', '"5"', '\x005', '5\x00'].map(
    (size) => badBody('H1-9', `chunk size ${JSON.stringify(size)}`, `${size}\r\nhello\r\n0\r\n\r\n`, 'bad-chunk-size'),
  ),
  badBody('H1-9', 'chunk size with leading zeros', '05\r\nhello\r\n0\r\n\r\n', 'chunk-size-leading-zero'),
  badBody('H1-9', 'last chunk of two zeros', '00\r\n\r\n', 'chunk-size-leading-zero'),
  badBody('H1-9', 'chunk size of 17 digits', '10000000000000005\r\nhello\r\n0\r\n\r\n', 'chunk-size-overflow'),
  badBody('H1-9', 'chunk size beyond 2^53', 'fffffffffffffff\r\nhello', 'chunk-size-overflow'),
  badBody('H1-9', 'chunk size line ends in LF', '5\nhello\r\n0\r\n\r\n', 'bare-lf'),
  badBody('H1-9', 'chunk size line ends in CR', '5\rhello\r\n0\r\n\r\n', 'bare-cr'),
  badBody('H1-9', 'data longer than its size', '5\r\nhelloX\r\n0\r\n\r\n', 'bad-chunk-end', 'hello'),
  badBody('H1-9', 'data ends in LF', '5\r\nhello\n0\r\n\r\n', 'bare-lf', 'hello'),
  badBody('H1-9', 'data ends in CR X', '5\r\nhello\rX0\r\n\r\n', 'bare-cr', 'hello'),
  badBody('H1-9', 'last chunk ends in LF', '0\r\n\n', 'bare-lf'),
  badBody('H1-9', 'last chunk ends in CR X', '0\r\n\rX', 'bare-cr'),
  badBody('H1-9', 'a bad size behind a good chunk', '5\r\nhello\r\nx\r\n\r\n', 'bad-chunk-size', 'hello'),
  accepted(
    'H1-9',
    'upper and lower case digits',
    chunked(`A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n`),
    1,
    '01234567890123456789',
  ),
  badBody('H1-10', 'LF inside an extension', '5;a\nb\r\nhello\r\n0\r\n\r\n', 'bare-lf'),
  badBody('H1-10', 'CR inside an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n', 'bare-cr'),
  badBody('H1-10', 'LF inside a quoted extension', '5;a="\n"\r\nhello\r\n0\r\n\r\n', 'bare-lf'),
  badBody('H1-10', 'CRLF inside a quoted extension', '5;a="\r\nhello"\r\n0\r\n\r\n', 'bad-chunk-extension'),
  badBody('H1-10', 'NUL inside an extension', '5;a\x00\r\nhello\r\n0\r\n\r\n', 'bad-chunk-extension'),
  badBody('H1-10', 'extension without a name', '5;\r\nhello\r\n0\r\n\r\n', 'bad-chunk-extension'),
  badBody('H1-10', 'extension named by a quote', '5;"a"\r\nhello\r\n0\r\n\r\n', 'bad-chunk-extension'),
  badBody('H1-10', 'extension on the last chunk ends in LF', '0;a\n\r\n', 'bare-lf'),
  badBody(
    'H1-10',
    'one extension of 1,025 bytes',
    `5;${'a'.repeat(1025)}\r\nhello\r\n0\r\n\r\n`,
    'chunk-extension-too-large',
  ),
  badBody(
    'H1-10',
    '17 KiB of extensions in all',
    `1;${'a'.repeat(1000)}\r\nx\r\n`.repeat(17),
    'chunk-extension-too-large',
    'x'.repeat(16),
  ),
  accepted(
    'H1-10',
    'extensions with names, values and quotes',
    chunked('5;a;b=c; d = "e\\"f;g"\r\nhello\r\n0;x=y\r\n\r\n'),
    1,
    'hello',
  ),
  badBody('H1-11', 'trailers of more than 8 KiB', `0\r\nx: ${'y'.repeat(8200)}\r\n\r\n`, 'trailers-too-large'),
  badBody('H1-11', '101 trailers', `0\r\n${'x: y\r\n'.repeat(101)}\r\n`, 'too-many-fields'),
  badBody('H1-11', 'a folded trailer', '0\r\nx: y\r\n z\r\n\r\n', 'obs-fold'),
  badBody('H1-11', 'a trailer without colon', '0\r\nGET /admin HTTP/1.1\r\n\r\n', 'space-before-colon'),
  badBody('H1-11', 'a trailer behind white space', '0\r\n x: y\r\n\r\n', 'leading-space'),
  accepted(
    'H1-11',
    'trailers that must not be merged are read and dropped',
    chunked('0\r\nContent-Length: 5\r\nHost: b\r\nTransfer-Encoding: chunked\r\nAuthorization: x\r\n\r\n'),
  ),
];

const hosts: readonly SmugglingCase[] = [
  refused('H1-12', 'no Host', 'GET / HTTP/1.1\r\n\r\n', 'missing-host'),
  refused('H1-12', 'no Host with an absolute form', 'GET http://a/ HTTP/1.1\r\n\r\n', 'missing-host'),
  refused('H1-12', 'Host twice, equal', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 'duplicate-host'),
  refused('H1-12', 'Host twice, different', 'GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n', 'duplicate-host'),
  ...[
    ['', 'empty-host'],
    [':80', 'empty-host'],
    ['a, b', 'bad-host'],
    ['a b', 'bad-host'],
    ['a/b', 'bad-host'],
    ['a?b', 'bad-host'],
    ['a#b', 'bad-host'],
    ['a\\b', 'bad-host'],
    ['user@a', 'userinfo'],
    ['user:pw@a', 'userinfo'],
    ['a:80@b', 'userinfo'],
    ['a%00b', 'bad-host'],
    ['a%2eb', 'bad-host'],
    ['b\xfccher', 'bad-host'],
    ['a:', 'bad-port'],
    ['a:65536', 'bad-port'],
    ['a:8 0', 'bad-port'],
    ['a:+80', 'bad-port'],
    ['a:80:80', 'bad-port'],
    ['[::1', 'bad-host'],
    ['[::1]x', 'bad-host'],
    ['[::1%eth0]', 'bad-host'],
    ['[1:2:3:4:5:6:7]', 'bad-host'],
    ['[1:2:3:4:5:6:7:8:9]', 'bad-host'],
    ['[::1::]', 'bad-host'],
    ['[]', 'bad-host'],
    ['[::300.1.1.1]', 'bad-host'],
    ['http://a', 'bad-port'],
  ].map(([value, detail]) =>
    refused('H1-12', `Host ${JSON.stringify(value)}`, `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`, detail!),
  ),
  refused('H1-12', 'user info in an absolute form', 'GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'userinfo'),
  refused('H1-12', 'absolute form without host', 'GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n', 'empty-host'),
  refused('H1-12', 'absolute form of another scheme', 'GET file://a/ HTTP/1.1\r\nHost: a\r\n\r\n', 'bad-target'),
  accepted('H1-12', 'absolute form against Host: the target wins', 'GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n'),
  accepted('H1-12', 'IPv6 with a port', 'GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n'),
  accepted('H1-12', 'IPv6 with an IPv4 tail', 'GET / HTTP/1.1\r\nHost: [::ffff:192.0.2.1]\r\n\r\n'),
  accepted('H1-12', 'no Host in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n'),
];

const requestLines: readonly SmugglingCase[] = [
  ...[
    ['GET  / HTTP/1.1', 'bad-target'],
    ['GET /  HTTP/1.1', 'bad-version'],
    ['GET / HTTP/1.1 ', 'bad-version'],
    [' GET / HTTP/1.1', 'bad-method'],
    ['GET\t/ HTTP/1.1', 'bad-method'],
    ['GET /\tHTTP/1.1', 'bad-target'],
    ['GET /\x0bHTTP/1.1', 'bad-target'],
    ['GET / x HTTP/1.1', 'bad-version'],
    ['GET /', 'bad-target'],
    ['GET', 'bad-method'],
    ['GET / http/1.1', 'bad-version'],
    ['GET / HTTP/1', 'bad-version'],
    ['GET / HTTP/1.x', 'bad-version'],
    ['GET / HTTP/x.1', 'bad-version'],
    ['GET /\nHost: b', 'bare-lf'],
    ['GET / HTTP/1,1', 'bad-version'],
    ['GET / HTTP/01.1', 'bad-version'],
    ['GET / HTTP/1.1\x00', 'bad-version'],
    ['GET / HTTP /1.1', 'bad-version'],
    ['GET / ICY/1.1', 'bad-version'],
    ['GET /#x HTTP/1.1', 'fragment'],
    ['GET /\xe4 HTTP/1.1', 'bad-target'],
    ['GET /\x00 HTTP/1.1', 'bad-target'],
    ['GET /\x7f HTTP/1.1', 'bad-target'],
    ['GET admin HTTP/1.1', 'bad-target'],
    ['GET ?q HTTP/1.1', 'bad-target'],
    ['GET * HTTP/1.1', 'bad-target'],
    ['OPTIONS ** HTTP/1.1', 'bad-target'],
    ['GET a:443 HTTP/1.1', 'bad-target'],
    ['CONNECT /x HTTP/1.1', 'bad-target'],
    ['CONNECT a HTTP/1.1', 'connect-without-port'],
    ['CONNECT [::1] HTTP/1.1', 'connect-without-port'],
    ['CONNECT http://a:80 HTTP/1.1', 'bad-target'],
    ['get / HTTP/1.1', 'method-case'],
    ['Post / HTTP/1.1', 'method-case'],
    ['G@T / HTTP/1.1', 'bad-method'],
    ['GET: / HTTP/1.1', 'bad-method'],
    ['\x16\x03\x01 / HTTP/1.1', 'bad-method'],
  ].map(([line, detail]) =>
    refused('H1-13', `request line ${JSON.stringify(line)}`, `${line}\r\nHost: a\r\n\r\n`, detail!),
  ),
  ...['HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/1.32', 'HTTP/3.0'].map((version) =>
    refused(
      'H1-13',
      `version ${version}`,
      `GET / ${version}\r\nHost: a\r\n\r\n`,
      'http-version',
      'version-not-supported',
    ),
  ),
  refused('H1-13', 'version 4294967295.255', 'GET / HTTP/4294967295.255\r\nHost: a\r\n\r\n', 'bad-version'),
  refused(
    'H1-13',
    'the preface of HTTP/2',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'http-version',
    'version-not-supported',
  ),
  refused(
    'H1-13',
    'a method of 33 bytes',
    `${'M'.repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`,
    'method-too-long',
    'method-not-served',
  ),
  accepted('H1-13', 'an unknown method', 'PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n'),
  accepted('H1-13', 'OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'),
  accepted(
    'H1-13',
    'a target with brackets, pipes and backslashes',
    'GET /a|b?[x]={"y"}\\ HTTP/1.1\r\nHost: a\r\n\r\n',
  ),
  refused(
    'H1-14',
    'an unknown expectation',
    post('Expect: 200-ok\r\nContent-Length: 5', 'hello'),
    'expectation',
    'expectation-failed',
  ),
  refused(
    'H1-14',
    'an obfuscated expectation',
    post('Expect: y 100-continue\r\nContent-Length: 5', 'hello'),
    'expectation',
    'expectation-failed',
  ),
  refused(
    'H1-14',
    'Expect twice',
    post('Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5', 'hello'),
    'duplicate-expect',
  ),
  accepted(
    'H1-14',
    '100-continue with the body sent along',
    post('Expect: 100-Continue\r\nContent-Length: 5', 'hello'),
    1,
    'hello',
  ),
  accepted('H1-14', '100-continue on GET without a body', get('Expect: 100-continue')),
  accepted(
    'H1-15',
    'GET with a body: the body is no second request',
    `GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    1,
    SMUGGLED,
  ),
  accepted(
    'H1-15',
    'HEAD, DELETE and OPTIONS with bodies',
    ['HEAD', 'DELETE', 'OPTIONS']
      .map((method) => `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx`)
      .join(''),
    3,
    'xxx',
  ),
  accepted(
    'H1-16',
    'Upgrade: h2c passes without the offer',
    get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__'),
  ),
  refused('H1-16', 'a malformed Upgrade', get('Connection: Upgrade\r\nUpgrade: web socket'), 'bad-upgrade'),
  refused(
    'H1-16',
    'Upgrade twice',
    get('Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c'),
    'duplicate-upgrade',
  ),
  accepted(
    'H1-17',
    'Connection lists fields that carry trust',
    get('Connection: x-forwarded-client-cert, authorization\r\nAuthorization: x'),
  ),
  accepted('H1-17', 'Connection: close, keep-alive', get('Connection: close, keep-alive')),
  refused('H1-17', 'a Connection of no tokens', get('Connection: "close"'), 'bad-connection'),
  refused('H1-17', 'a Connection without commas', get('Connection: close keep-alive'), 'bad-connection'),
  refused(
    'H1-17',
    '33 connection options',
    get(`Connection: ${'x,'.repeat(33)}`),
    'too-many-connection-options',
    'head-too-large',
  ),
  refused(
    'H1-17',
    '40 Connection fields',
    get(Array.from({ length: 40 }, () => 'Connection: x').join('\r\n')),
    'too-many-connection-options',
    'head-too-large',
  ),
];

const OK = 'HTTP/1.1 200 OK\r\n';

const responses: readonly SmugglingCase[] = [
  badResponse('H1-6', 'folded field in a response', `${OK}X: y\r\n z\r\n\r\n`, 'obs-fold'),
  badResponse(
    'H1-18',
    'CL twice, equal',
    `${OK}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
    'duplicate-content-length',
  ),
  badResponse(
    'H1-18',
    'CL twice, different',
    `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
    'duplicate-content-length',
  ),
  badResponse('H1-18', 'CL list', `${OK}Content-Length: 5, 5\r\n\r\nhello`, 'bad-content-length'),
  badResponse(
    'H1-18',
    'CL and TE',
    `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'content-length-and-transfer-encoding',
  ),
  badResponse(
    'H1-18',
    'CL and TE for HEAD',
    `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
    'content-length-and-transfer-encoding',
    'HEAD',
  ),
  badResponse(
    'H1-18',
    'TE in HTTP/1.0',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'transfer-encoding-in-http-1.0',
  ),
  badResponse(
    'H1-18',
    'TE of another coding',
    `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`,
    'transfer-coding-unknown',
  ),
  badResponse(
    'H1-18',
    'TE not ending in chunked',
    `${OK}Transfer-Encoding: chunked, gzip\r\n\r\n`,
    'bad-transfer-encoding',
  ),
  badResponse('H1-18', 'status 2a0', 'HTTP/1.1 2a0 X\r\n\r\n', 'bad-status'),
  badResponse('H1-18', 'a tab before the status', 'HTTP/1.1\t200 OK\r\n\r\n', 'bad-version'),
  badResponse('H1-18', '100 with length 0', `HTTP/1.1 100 X\r\nContent-Length: 0\r\n\r\n`, 'body-not-allowed'),
  badResponse('H1-18', 'status 099', 'HTTP/1.1 099 X\r\n\r\n', 'bad-status'),
  badResponse('H1-18', 'status 1000', 'HTTP/1.1 1000 X\r\n\r\n', 'bad-status'),
  badResponse('H1-18', 'status 20', 'HTTP/1.1 20 X\r\n\r\n', 'bad-status'),
  badResponse('H1-18', 'status +20', 'HTTP/1.1 +20 X\r\n\r\n', 'bad-status'),
  badResponse('H1-18', 'two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n', 'bad-status'),
  badResponse('H1-18', 'version 2.0', 'HTTP/2.0 200 OK\r\n\r\n', 'http-version'),
  badResponse('H1-18', 'ICY', 'ICY 200 OK\r\n\r\n', 'bad-version'),
  badResponse('H1-18', 'no head at all', '<html>', 'bad-version'),
  badResponse('H1-18', 'an empty line before the head', `\r\n${OK}Content-Length: 0\r\n\r\n`, 'bad-version'),
  badResponse('H1-18', 'CR in a reason', 'HTTP/1.1 200 O\rK\r\n\r\n', 'bare-cr'),
  badResponse('H1-18', 'NUL in a reason', 'HTTP/1.1 200 O\x00K\r\n\r\n', 'bad-reason'),
  badResponse('H1-18', 'LF behind the status', 'HTTP/1.1 200\nX: y\r\n\r\n', 'bare-lf'),
  badResponse('H1-18', '204 with a length', 'HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\nhello', 'body-not-allowed'),
  badResponse(
    'H1-18',
    '204 with chunks',
    'HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'body-not-allowed',
  ),
  badResponse(
    'H1-18',
    '100 with a length',
    `HTTP/1.1 100 X\r\nContent-Length: ${OK.length + 2}\r\n\r\n${OK}\r\n`,
    'body-not-allowed',
  ),
  badResponse('H1-18', '103 with chunks', 'HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n', 'body-not-allowed'),
  badResponse(
    'H1-18',
    '17 interim responses',
    `${'HTTP/1.1 102 X\r\n\r\n'.repeat(17)}${OK}\r\n`,
    'too-many-informational',
  ),
  badResponse(
    'H1-16',
    'a 101 nobody asked for',
    'HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'unsolicited-101',
  ),
  badResponse(
    'H1-16',
    'a 101 to another protocol',
    'HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n',
    'upgrade-not-offered',
    'GET',
    'websocket',
  ),
  badResponse(
    'H1-16',
    'a 101 without Connection',
    'HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n',
    'upgrade-not-offered',
    'GET',
    'websocket',
  ),
  {
    ...goodResponse(
      'H1-16',
      'a 101 that was asked for',
      'HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n',
      '',
      'GET',
      'websocket',
    ),
  },
  goodResponse('H1-16', '200 instead of 101', `${OK}Content-Length: 2\r\n\r\nno`, 'no', 'GET', 'websocket'),
  goodResponse('H1-18', 'HEAD with a length', `${OK}Content-Length: 5\r\n\r\n`, '', 'HEAD'),
  {
    ...badResponse('H1-18', 'a body behind HEAD', `${OK}Content-Length: 5\r\n\r\nhello`, 'unexpected-bytes', 'HEAD'),
    heads: 1,
  },
  {
    ...badResponse(
      'H1-18',
      'a body behind 304',
      'HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\nhello',
      'unexpected-bytes',
    ),
    heads: 1,
  },
  {
    ...badResponse(
      'H1-18',
      'a second response',
      `${OK}Content-Length: 0\r\n\r\n${OK}Content-Length: 0\r\n\r\n`,
      'unexpected-bytes',
    ),
    heads: 1,
  },
  {
    ...badResponse('H1-18', 'bytes behind the length', `${OK}Content-Length: 2\r\n\r\nabc`, 'unexpected-bytes'),
    heads: 1,
    data: 'ab',
  },
  {
    ...badResponse(
      'H1-9',
      'bad chunk size in a response',
      `${OK}Transfer-Encoding: chunked\r\n\r\nx\r\n`,
      'bad-chunk-size',
    ),
    verdict: BAD_RESPONSE_BODY,
    heads: 1,
  },
  goodResponse('H1-18', '204 with length 0', 'HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n', ''),
  goodResponse('H1-18', 'a status line without reason and space', 'HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx', 'x'),
  goodResponse(
    'H1-18',
    'interim responses, then the final one',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}Content-Length: 1\r\n\r\nx`,
    'x',
  ),
];

const sequences: readonly SmugglingCase[] = [
  {
    ...refused(
      'H1-19',
      'an invalid request behind a valid one',
      `${SMUGGLED}GET / HTTP/1.1\r\nHost : a\r\n\r\n`,
      'space-before-colon',
    ),
    heads: 1,
  },
  {
    ...refused(
      'H1-19',
      'body bytes beyond the length read as a request',
      `${post('Content-Length: 5', 'helloX\r\n')}`,
      'bad-method',
    ),
    heads: 1,
    data: 'hello',
  },
  accepted('H1-19', 'a thousand pipelined requests', SMUGGLED.repeat(1000), 1000),
  accepted('H1-19', 'a request behind a chunked body', `${chunked('5\r\nhello\r\n0\r\n\r\n')}${SMUGGLED}`, 2, 'hello'),
  refused('H1-21', 'one field of 1 MiB', get(`X: ${'y'.repeat(1 << 20)}`), 'head-too-large', 'head-too-large'),
  refused('H1-21', 'ten thousand fields', get('X: y\r\n'.repeat(10_000)), 'too-many-fields', 'head-too-large'),
  refused(
    'H1-21',
    'a target of 1 MiB',
    `GET /${'x'.repeat(1 << 20)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    'target-too-long',
    'target-too-long',
  ),
  accepted('H1-21', 'a target of exactly 8 KiB', `GET /${'x'.repeat(8191)} HTTP/1.1\r\nHost: a\r\n\r\n`),
  accepted('H1-21', 'exactly 100 fields', get(Array.from({ length: 99 }, () => 'X: y').join('\r\n'))),
  refused(
    'H1-21',
    '101 fields',
    get(Array.from({ length: 100 }, () => 'X: y').join('\r\n')),
    'too-many-fields',
    'head-too-large',
  ),
];

function chunkedAs(value: string): string {
  return post(`Transfer-Encoding: ${value}`, '0\r\n\r\n');
}

export const smugglingCases: readonly SmugglingCase[] = [
  ...bothLengths,
  ...codings,
  ...lengths,
  ...lineEnds,
  ...fields,
  ...chunks,
  ...hosts,
  ...requestLines,
  ...responses,
  ...sequences,
];
