import { Buffer } from 'node:buffer';
import { captureHello, inRecords } from '../fixture/captured-hello.ts';
import { writeProxyHeader } from '../proxy-header-writer.ts';

/** Beginnings of connections as they are met in the field; what mutation starts from. */
export async function readCorpus(): Promise<readonly Buffer[]> {
  const hellos = await Promise.all([
    captureHello({ servername: 'Orders.Shop.svc', ALPNProtocols: ['weft-h2', 'weft-http/1.1'] }),
    captureHello({ servername: 'a.example', maxVersion: 'TLSv1.2', ALPNProtocols: ['h2', 'http/1.1'] }),
    captureHello({ ecdhCurve: 'X25519' }),
  ]);
  const split = hellos.flatMap((hello) => [inRecords(hello, 1), inRecords(hello, 100), inRecords(hello, 700)]);
  const proxied = [
    writeProxyHeader({ address: '192.0.2.7', port: 4 }, { address: '198.51.100.1', port: 443 }),
    writeProxyHeader({ address: '2001:db8::7', port: 4 }, { address: '2001:db8::1', port: 443 }),
  ];
  const texts = plain.map((text) => Buffer.from(text, 'latin1'));
  return [...hellos, ...split, ...proxied, Buffer.concat([proxied[0]!, hellos[0]!]), ...texts];
}

const plain: readonly string[] = [
  'GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  '\r\nPOST http://a.example/x HTTP/1.0\r\n\r\n',
  'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
  'PROPFIND /dav HTTP/1.1\r\n',
  'EHLO mail.example\r\n',
  'SSH-2.0-OpenSSH_10.0\r\n',
  '*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n',
  'GET key\r\n',
  '\x00\x00\x00\x08\x04\xd2\x16\x2f',
  '\x00\x00\x00\x54\x00\x03\x00\x00user\0app\0database\0app\0\0',
  `GET ${'x'.repeat(8_200)} HTTP/1.1\r\n`,
  '\x16\x03\x01\x00\x05\x01\xff\xff\xff\xff',
  '\x16\x03\x01\x40\x00\x01\x00\x40\x00',
  '\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64',
  'HTTP/1.1 200 OK\r\n\r\n',
];
