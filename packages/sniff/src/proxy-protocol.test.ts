import { deepEqual, equal, ok } from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, test } from 'node:test';
import { PROXY_HEADER_MAX_BYTES, type ProxyHeader, readProxyHeader } from './proxy-protocol.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

function header(command: number, family: number, body: Buffer): Buffer {
  const fixed = Buffer.from([command, family, body.length >> 8, body.length & 255]);
  return Buffer.concat([SIGNATURE, fixed, body]);
}

function ipv4(): Buffer {
  return Buffer.from([192, 0, 2, 1, 198, 51, 100, 7, 0xc3, 0x50, 0x01, 0xbb]);
}

function ipv6(source: string, destination: string): Buffer {
  return Buffer.concat([
    Buffer.from(source, 'hex'),
    Buffer.from(destination, 'hex'),
    Buffer.from([0xc3, 0x50, 1, 187]),
  ]);
}

function read(bytes: Buffer): ProxyHeader {
  const result = readProxyHeader(bytes, 0, bytes.length);
  equal(result.kind, 'header');
  ok(result.kind === 'header');
  return result.header;
}

describe('readProxyHeader', () => {
  test('reads IPv4 addresses and leaves what follows to the application', () => {
    const bytes = Buffer.concat([header(0x21, 0x11, ipv4()), Buffer.from('GET /')]);
    deepEqual(read(bytes), {
      command: 'proxy',
      sourceAddress: '192.0.2.1',
      sourcePort: 50_000,
      destinationAddress: '198.51.100.7',
      destinationPort: 443,
      bytes: 28,
    });
  });

  test('reads IPv6 addresses in their canonical form', () => {
    const cases: readonly (readonly [hex: string, text: string])[] = [
      ['20010db8000000000000000000000001', '2001:db8::1'],
      ['00000000000000000000000000000000', '::'],
      ['00000000000000000000000000000001', '::1'],
      ['fe800000000000000000000000000000', 'fe80::'],
      ['20010db8000000010001000100010001', '2001:db8:0:1:1:1:1:1'],
      ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
      ['00000000000000000000ffffc0000201', '::ffff:192.0.2.1'],
    ];
    for (const [hex, text] of cases) {
      const { sourceAddress, destinationAddress, sourcePort } = read(header(0x21, 0x21, ipv6(hex, cases[0]![0])));
      equal(sourceAddress, text);
      equal(destinationAddress, '2001:db8::1');
      equal(sourcePort, 50_000);
    }
  });

  test('skips what stands behind the addresses', () => {
    const tlv = Buffer.from([0x04, 0, 3, 1, 2, 3]);
    equal(read(header(0x21, 0x11, Buffer.concat([ipv4(), tlv]))).bytes, 34);
  });

  test('a header of LOCAL, of an unknown family or of a UNIX socket names no address', () => {
    for (const bytes of [
      header(0x20, 0x11, ipv4()),
      header(0x20, 0x00, Buffer.alloc(0)),
      header(0x20, 0x11, Buffer.alloc(0)),
      header(0x21, 0x00, Buffer.alloc(5)),
      header(0x21, 0x31, Buffer.alloc(216)),
    ]) {
      const { sourceAddress, sourcePort, bytes: headerBytes } = read(bytes);
      equal(sourceAddress, undefined);
      equal(sourcePort, 0);
      equal(headerBytes, bytes.length);
    }
  });

  test('every shorter piece asks for more', () => {
    const bytes = header(0x21, 0x11, ipv4());
    for (let end = 0; end < bytes.length; end += 1) equal(readProxyHeader(bytes, 0, end).kind, 'need-more');
    const padded = Buffer.concat([Buffer.alloc(7), bytes]);
    equal(readProxyHeader(padded, 7, padded.length).kind, 'header');
  });

  test('refuses what it must not guess about', () => {
    const fault = (bytes: Buffer): unknown => {
      const result = readProxyHeader(bytes, 0, bytes.length);
      return result.kind === 'refused' ? result.fault : result.kind;
    };
    equal(fault(Buffer.from('PROXY TCP4 192.0.2.1')), 'no-signature');
    equal(fault(header(0x11, 0x11, ipv4())), 'bad-version');
    equal(fault(header(0x22, 0x11, ipv4())), 'bad-command');
    equal(fault(header(0x21, 0x12, ipv4())), 'bad-family');
    equal(fault(header(0x21, 0x41, ipv4())), 'bad-family');
    equal(fault(header(0x21, 0x11, ipv4().subarray(0, 11))), 'bad-length');
    equal(fault(header(0x21, 0x21, ipv4())), 'bad-length');
    equal(fault(header(0x21, 0x31, Buffer.alloc(215))), 'bad-length');
    equal(fault(header(0x21, 0x11, Buffer.alloc(PROXY_HEADER_MAX_BYTES - 15))), 'too-long');
    equal(fault(header(0x21, 0x11, Buffer.alloc(PROXY_HEADER_MAX_BYTES - 16))), 'header');
  });

  test('every value of every byte is read, refused or waited for', () => {
    const whole = header(0x21, 0x11, ipv4());
    for (let index = 0; index < whole.length; index += 1) {
      for (let value = 0; value < 256; value += 1) {
        const bytes = Buffer.from(whole);
        bytes[index] = value;
        const { kind } = readProxyHeader(bytes, 0, bytes.length);
        if (index < 12 && value !== whole[index]) equal(kind, 'refused');
        if (index >= 16) equal(kind, 'header');
      }
    }
  });
});
