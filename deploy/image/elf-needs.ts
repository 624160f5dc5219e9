/** The shared libraries that an ELF file of 64 bits, little endian, names; empty for a static one or none at all. */
export function elfNeeds(file: Buffer): readonly string[] {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46) return [];
  const programHeaders = Number(file.readBigUInt64LE(32));
  const size = file.readUInt16LE(54);
  const count = file.readUInt16LE(56);
  const loads: { offset: number; address: number; bytes: number }[] = [];
  let dynamic: { offset: number; bytes: number } | undefined;
  for (let index = 0; index < count; index += 1) {
    const at = programHeaders + index * size;
    const type = file.readUInt32LE(at);
    const offset = Number(file.readBigUInt64LE(at + 8));
    const bytes = Number(file.readBigUInt64LE(at + 32));
    if (type === PT_LOAD) loads.push({ offset, address: Number(file.readBigUInt64LE(at + 16)), bytes });
    if (type === PT_DYNAMIC) dynamic = { offset, bytes };
  }
  if (dynamic === undefined) return [];
  const names: number[] = [];
  let strings = 0;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.bytes; at += 16) {
    const tag = Number(file.readBigInt64LE(at));
    const value = Number(file.readBigUInt64LE(at + 8));
    if (tag === DT_NEEDED) names.push(value);
    if (tag === DT_STRTAB) strings = value;
  }
  const load = loads.find(({ address, bytes }) => strings >= address && strings < address + bytes);
  if (load === undefined) return [];
  const table = strings - load.address + load.offset;
  return names.map((name) => file.toString('latin1', table + name, file.indexOf(0, table + name)));
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
