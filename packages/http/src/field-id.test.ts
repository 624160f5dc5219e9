import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { FieldId, fieldIdOf, fieldNames, readFieldId } from './field-id.ts';

test('every known name is found in any case and inside other bytes', () => {
  let known = 0;
  for (const [id, name] of fieldNames.entries()) {
    if (name === '') continue;
    known += 1;
    assert.equal(fieldIdOf(name), id, name);
    const bytes = Buffer.from(`x${name.toUpperCase()}x`, 'latin1');
    assert.equal(readFieldId(bytes, 1, bytes.length - 1), id, name);
  }
  assert.ok(known > 60);
});

test('a name that differs in one byte from a known one is unknown or of a family', () => {
  const families = new Set<number>([FieldId.Unknown, FieldId.XForwardedOther, FieldId.Lookalike]);
  for (const name of fieldNames) {
    for (let index = 0; index < name.length; index += 1) {
      const changed = `${name.slice(0, index)}_${name.slice(index + 1)}`;
      assert.ok(families.has(fieldIdOf(changed)), `${changed} is ${fieldIdOf(changed)}`);
    }
  }
});

test('names of the mesh and forwarded names are recognised as families, also with underscores', () => {
  assert.equal(fieldIdOf('weft-client-identity'), FieldId.WeftOwned);
  assert.equal(fieldIdOf('weft_client_identity'), FieldId.WeftOwned);
  assert.equal(fieldIdOf('weft'), FieldId.Unknown);
  assert.equal(fieldIdOf('x-forwarded-anything'), FieldId.XForwardedOther);
  assert.equal(fieldIdOf('x_forwarded_for'), FieldId.XForwardedOther);
  assert.equal(fieldIdOf('content_length'), FieldId.Lookalike);
  assert.equal(fieldIdOf('transfer-encoding_'), FieldId.Unknown);
});

test('the names are those of the registries', () => {
  const names: [FieldId, string][] = [
    [FieldId.Http2Settings, 'http2-settings'],
    [FieldId.XB3ParentSpanId, 'x-b3-parentspanid'],
    [FieldId.XB3Sampled, 'x-b3-sampled'],
    [FieldId.WwwAuthenticate, 'www-authenticate'],
    [FieldId.XForwardedClientCert, 'x-forwarded-client-cert'],
    [FieldId.Te, 'te'],
    [FieldId.B3, 'b3'],
  ];
  for (const [id, name] of names) assert.equal(fieldNames[id], name);
});
