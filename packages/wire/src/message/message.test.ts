import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import protobuf from 'protobufjs';
import * as admin from '../admin-message.ts';
import * as identity from '../identity-message.ts';
import * as peer from '../peer-message.ts';
import { resourceMessage } from '../resource-message.ts';
import { clientMessage, serverMessage } from '../sync-message.ts';
import type { NamedField } from './message.ts';

const PROTO = fileURLToPath(new URL('../../../../proto', import.meta.url));

function loadProto(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => (target.startsWith('/') ? target : `${PROTO}/${target}`);
  return root.loadSync(
    ['resource', 'observation', 'sync', 'identity', 'peers', 'admin'].map((name) => `weft/v1/${name}.proto`),
  );
}

interface Table {
  readonly name: string;
  readonly fields: readonly NamedField[];
}

/** All message tables, by name, found from those that calls carry. */
function tables(): Map<string, Table> {
  const found = new Map<string, Table>();
  const visit = (table: Table): void => {
    if (found.has(table.name)) return;
    found.set(table.name, table);
    for (const { field } of table.fields) if (field.carried !== null) visit(field.carried as Table);
  };
  const all: unknown[] = [
    ...Object.values(admin),
    ...Object.values(identity),
    ...Object.values(peer),
    resourceMessage,
    clientMessage,
    serverMessage,
  ];
  for (const value of all) if (typeof value === 'object' && value !== null && 'fields' in value) visit(value as Table);
  return found;
}

test('every table has the numbers, names and types of its message in the .proto files, and every message has a table', () => {
  const root = loadProto();
  const namespace = root.lookup('weft.v1');
  assert.ok(namespace instanceof protobuf.Namespace);
  const known = tables();
  const names: string[] = [];
  for (const type of namespace.nestedArray) {
    if (!(type instanceof protobuf.Type)) continue;
    names.push(type.name);
    const table = known.get(type.name);
    assert.ok(table !== undefined, `${type.name} has no table`);
    const isUnion =
      type.oneofsArray.length === 1 && type.oneofsArray[0]?.fieldsArray.length === type.fieldsArray.length;
    const expected = type.fieldsArray.map((field) =>
      row(field.id, isUnion ? field.name.toLowerCase() : field.name, field.type, field.repeated),
    );
    const actual = table.fields.map(({ name, field }) =>
      row(field.number, isUnion ? name.toLowerCase() : name, field.protoType, field.repeated),
    );
    assert.deepEqual(actual.sort(), expected.sort(), type.name);
  }
  assert.deepEqual([...known.keys()].sort(), names.sort());
});

test('every enum of a table has the values of the .proto files in their order', () => {
  const namespace = loadProto().lookup('weft.v1');
  assert.ok(namespace instanceof protobuf.Namespace);
  let checked = 0;
  for (const table of tables().values()) {
    for (const { field } of table.fields) {
      if (field.names === null) continue;
      const found = namespace.lookupEnum(field.protoType);
      const prefix = `${snake(field.protoType)}_`;
      const expected = Object.entries(found.values)
        .sort((left, right) => left[1] - right[1])
        .map(([name]) => name.slice(prefix.length));
      assert.deepEqual(['UNSPECIFIED', ...field.names.map(snake)], expected, field.protoType);
      checked += 1;
    }
  }
  assert.ok(checked >= 15);
});

function row(number: number, name: string, type: string, repeated: boolean): string {
  return `${number} ${name} ${repeated ? 'repeated ' : ''}${type}`;
}

function snake(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase();
}
