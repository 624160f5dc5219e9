import { deepEqual, equal, ok } from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { before, describe, test } from 'node:test';
import { ClientHelloReader } from './client-hello.ts';
import { captureHello, inRecords } from './fixture/captured-hello.ts';

function readWhole(bytes: Buffer): ClientHelloReader {
  const reader = new ClientHelloReader();
  reader.feed(bytes, 0, bytes.length);
  return reader;
}

/** A ClientHello built field by field, for what no library would send. */
function buildHello(extensions: readonly (readonly [type: number, body: readonly number[]])[]): Buffer {
  const list = extensions.flatMap(([type, body]) => [
    type >> 8,
    type & 255,
    body.length >> 8,
    body.length & 255,
    ...body,
  ]);
  const body = [3, 3, ...Array.from({ length: 32 }, () => 7), 0, 0, 2, 0x13, 0x01, 1, 0];
  body.push(list.length >> 8, list.length & 255, ...list);
  const message = [1, 0, body.length >> 8, body.length & 255, ...body];
  return Buffer.from([0x16, 3, 1, message.length >> 8, message.length & 255, ...message]);
}

function nameExtension(name: string): readonly [number, readonly number[]] {
  const bytes = [...Buffer.from(name, 'latin1')];
  const entry = [0, bytes.length >> 8, bytes.length & 255, ...bytes];
  return [0, [entry.length >> 8, entry.length & 255, ...entry]];
}

describe('ClientHelloReader', () => {
  let full: Buffer;
  let small: Buffer;

  before(async () => {
    full = await captureHello({ servername: 'Orders.Shop.svc', ALPNProtocols: ['weft-h2', 'weft-http/1.1'] });
    small = await captureHello({ servername: 'a.b', ecdhCurve: 'X25519', maxVersion: 'TLSv1.2' });
  });

  test('reads name and protocols of a real hello with a post-quantum key share', () => {
    ok(full.length > 1_500, `a hello with X25519MLKEM768 has ${full.length} bytes`);
    const { hello, fault } = readWhole(full);
    equal(fault, undefined);
    deepEqual(hello, {
      serverName: 'orders.shop.svc',
      alpn: ['weft-h2', 'weft-http/1.1'],
      offersTls13: true,
      isEncrypted: false,
    });
  });

  test('reads a TLS 1.2 hello, and one without a name', async () => {
    deepEqual(readWhole(small).hello, { serverName: 'a.b', alpn: [], offersTls13: false, isEncrypted: false });
    const nameless = await captureHello({ ALPNProtocols: ['h2'] });
    const { hello } = readWhole(nameless);
    equal(hello?.serverName, undefined);
    deepEqual(hello?.alpn, ['h2']);
  });

  test('any split into two pieces, and single bytes, give the same hello', () => {
    const expected = readWhole(full).hello;
    for (let split = 1; split < full.length; split += 1) {
      const reader = new ClientHelloReader();
      equal(reader.feed(full, 0, split), 'need-more');
      equal(reader.feed(full, split, full.length), 'done');
      deepEqual(reader.hello, expected);
    }
    const reader = new ClientHelloReader();
    for (let index = 0; index < full.length - 1; index += 1) equal(reader.feed(full, index, index + 1), 'need-more');
    equal(reader.feed(full, full.length - 1, full.length), 'done');
    deepEqual(reader.hello, expected);
  });

  test('a hello spread over up to 64 records is read, over more it is refused', () => {
    const expected = readWhole(full).hello;
    const payloadBytes = full.length - 5;
    for (const size of [Math.ceil(payloadBytes / 64), 100, 517, payloadBytes - 1]) {
      deepEqual(readWhole(inRecords(full, size)).hello, expected);
    }
    equal(readWhole(inRecords(full, Math.floor(payloadBytes / 65))).fault, 'too-many-records');
  });

  test('what follows the hello in another record is left alone', () => {
    const reader = readWhole(Buffer.concat([full, Buffer.from([0x14, 3, 3, 0, 1, 1])]));
    equal(reader.hello?.serverName, 'orders.shop.svc');
  });

  test('no flipped byte makes it throw, wait for bytes beyond its limits, or give an unclean name', () => {
    for (const hello of [full, small]) {
      let refused = 0;
      for (let index = 0; index < hello.length; index += 1) {
        for (const flip of [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff]) {
          const bytes = Buffer.from(hello);
          bytes[index]! ^= flip;
          const reader = readWhole(bytes);
          if (reader.fault !== undefined) refused += 1;
          if (reader.hello?.serverName !== undefined) ok(/^[a-z0-9._:-]+$/.test(reader.hello.serverName));
        }
      }
      ok(refused > 100, `${refused} of the flips were noticed`);
    }
  });

  test('a cut-off hello is refused, but where the extensions, which may be absent, would begin', () => {
    let accepted = 0;
    for (let cut = 10; cut < small.length; cut += 1) {
      const bytes = Buffer.from(small.subarray(0, cut));
      bytes.writeUInt16BE(cut - 5, 3);
      bytes.writeUIntBE(cut - 9, 6, 3);
      const reader = readWhole(bytes);
      if (reader.hello === undefined) continue;
      accepted += 1;
      deepEqual(reader.hello, { serverName: undefined, alpn: [], offersTls13: false, isEncrypted: false });
    }
    equal(accepted, 1);
  });

  test('refuses what is no hello, each with its reason', () => {
    const fault = (bytes: readonly number[]): unknown => readWhole(Buffer.from(bytes)).fault;
    equal(fault([0x17]), 'not-a-handshake');
    equal(fault([0x16, 0x02]), 'bad-record');
    equal(fault([0x16, 3, 1, 0, 0]), 'bad-record');
    equal(fault([0x16, 3, 1, 0x40, 0x01]), 'bad-record');
    equal(fault([0x16, 3, 1, 0, 4, 2]), 'not-a-client-hello');
    equal(fault([0x16, 3, 1, 0, 4, 1, 0, 0x40, 1]), 'too-long');
    const doubled = Buffer.concat([small, small.subarray(5)]);
    doubled.writeUInt16BE(doubled.length - 5, 3);
    equal(readWhole(doubled).fault, 'trailing-bytes');
  });

  test('refuses ambiguous extensions', () => {
    equal(readWhole(buildHello([nameExtension('a'), nameExtension('b')])).fault, 'duplicate-extension');
    equal(readWhole(buildHello([[41, [0]], nameExtension('b')])).fault, 'misplaced-extension');
    equal(readWhole(buildHello([[16, [0, 0]]])).fault, 'bad-alpn');
    equal(readWhole(buildHello([[16, [0, 2, 0, 0]]])).fault, 'bad-alpn');
    equal(readWhole(buildHello([[16, [0, 3, 3, 104, 50]]])).fault, 'bad-alpn');
    equal(readWhole(buildHello([[43, [2, 3]]])).fault, 'bad-versions');
    // Two names in one list.
    equal(readWhole(buildHello([[0, [0, 8, 0, 0, 1, 97, 0, 0, 1, 98]]])).fault, 'bad-server-name');
    equal(readWhole(buildHello([[0xfe0d, [0]], nameExtension('front.example')])).hello?.isEncrypted, true);
  });

  test('refuses names that no host has', () => {
    for (const name of ['', 'a\0b', 'a..b', '.a', 'a.', 'a b', 'a/b', '*.a', 'x'.repeat(64), `${'ab.'.repeat(90)}a`]) {
      equal(readWhole(buildHello([nameExtension(name)])).fault, 'bad-server-name', JSON.stringify(name));
    }
    for (const name of ['a_b.c', 'xn--bcher-kva.example', '192.0.2.7', '2001:db8::1']) {
      equal(readWhole(buildHello([nameExtension(name)])).hello?.serverName, name);
    }
  });
});
