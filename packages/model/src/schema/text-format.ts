/** A named shape of text: the check, and the words that say what would have been right. */
export interface TextFormat {
  readonly name: string;
  readonly expected: string;
  readonly matches: (text: string) => boolean;
}

const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const PORT_NAME = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const QUALIFIED = /^[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$/;
const PATH = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;
const IPV6_GROUP = /^[0-9a-fA-F]{1,4}$/;

export const dnsLabel = format(
  'dns-label',
  'a DNS label: lower-case letters, digits and "-", at most 63 characters',
  (text) => LABEL.test(text),
);

export const dnsName = format(
  'dns-name',
  'a DNS name: lower-case labels joined by ".", at most 253 characters',
  isDnsName,
);

/** Gateway API `Hostname`: may start with `*.`, is never an IP address. */
export const hostname = format(
  'hostname',
  'a host name in lower case, which may start with "*." and is no IP address',
  (text) => isPreciseHostname(text.startsWith('*.') ? text.slice(2) : text),
);

export const preciseHostname = format(
  'precise-hostname',
  'a host name in lower case without "*", and no IP address',
  isPreciseHostname,
);

export const portName = format(
  'port-name',
  'a port name: at most 15 lower-case letters, digits and single "-"',
  (text) => PORT_NAME.test(text),
);

export const headerName = format('header-name', 'a header name (RFC 9110, section 5.1)', (text) => TOKEN.test(text));

export const headerValue = format(
  'header-value',
  'a header value without control characters',
  (text) => !/[\0-\x08\x0a-\x1f\x7f]/.test(text),
);

/** A label or annotation key: an optional DNS prefix, "/", and a name. */
export const labelKey = format('label-key', 'a label key such as app or example.com/app', (text) => {
  const slash = text.indexOf('/');
  return slash < 0 ? QUALIFIED.test(text) : isDnsName(text.slice(0, slash)) && QUALIFIED.test(text.slice(slash + 1));
});

export const labelValue = format(
  'label-value',
  'a label value: at most 63 letters, digits, "-", "_" and "."',
  (text) => text === '' || QUALIFIED.test(text),
);

export const ipAddress = format('ip-address', 'an IPv4 or IPv6 address', isIpAddress);

/** An absolute path as Gateway API takes it for `Exact` and `PathPrefix`, and for replacements. */
export const absolutePath = format(
  'absolute-path',
  'an absolute path without "//", "/./", "/../", "%2f", "#" and without a trailing "/." or "/.."',
  isAbsolutePath,
);

/** IPv4 in dotted decimal, or IPv6 without a zone. */
export function isIpAddress(text: string): boolean {
  return IPV4.test(text) || isIpv6(text);
}

export function isAbsolutePath(text: string): boolean {
  if (!text.startsWith('/') || !PATH.test(text)) return false;
  if (text.includes('//') || text.includes('/./') || text.includes('/../')) return false;
  return !/%2f/i.test(text) && !text.endsWith('/.') && !text.endsWith('/..');
}

function isDnsName(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => LABEL.test(label));
}

function isPreciseHostname(text: string): boolean {
  return isDnsName(text) && !isIpAddress(text);
}

function isIpv6(text: string): boolean {
  if (text.length > 45 || !text.includes(':')) return false;
  const halves = text.split('::');
  if (halves.length > 2) return false;
  const groups: string[] = [];
  for (const half of halves) if (half !== '') groups.push(...half.split(':'));
  let count = groups.length;
  const last = groups.at(-1) ?? '';
  if (last.includes('.')) {
    if (!IPV4.test(last)) return false;
    groups.pop();
    count += 1;
  }
  if (!groups.every((group) => IPV6_GROUP.test(group))) return false;
  return halves.length === 2 ? count < 8 : count === 8;
}

function format(name: string, expected: string, matches: (text: string) => boolean): TextFormat {
  return { name, expected, matches };
}
