import { readText } from './source-tree.ts';

/** One row of the package table of ARCHITECTURE.md. */
export interface PackageLaw {
  readonly name: string;
  readonly ring: number;
  /** Names of packages without their scope. */
  readonly packages: ReadonlySet<string>;
  readonly libraries: ReadonlySet<string>;
  /** Without `node:`; null allows every one. */
  readonly nodeModules: ReadonlySet<string> | null;
}

let law: ReadonlyMap<string, PackageLaw> | undefined;

/** The table under "this table is the law", by package. Throws when the table can't be found or read. */
export function packageLaw(): ReadonlyMap<string, PackageLaw> {
  law ??= readLaw(readText('ARCHITECTURE.md'));
  return law;
}

export function readLaw(page: string): ReadonlyMap<string, PackageLaw> {
  const lines = page.split('\n');
  const header = lines.findIndex((line) => line.startsWith('| ring | package |'));
  if (header < 0) throw new Error('ARCHITECTURE.md: no table that starts with "| ring | package |"');
  const rows = new Map<string, PackageLaw>();
  for (let at = header + 2; lines[at]?.startsWith('|') === true; at += 1) {
    const cells = lines[at]!.split('|').map((cell) => cell.trim());
    if (cells.length !== 8) throw new Error(`ARCHITECTURE.md:${at + 1}: a row has six cells`);
    const [, ring, name, , packages, libraries, nodeModules] = cells as [string, string, string, ...string[]];
    rows.set(name, {
      name,
      ring: Number.parseInt(ring, 10),
      packages: words(packages),
      libraries: words(libraries),
      nodeModules: nodeModules === 'any' ? null : words(nodeModules),
    });
  }
  if (rows.size === 0) throw new Error('ARCHITECTURE.md: the package table is empty');
  return rows;
}

function words(cell: string | undefined): ReadonlySet<string> {
  return new Set((cell ?? '').split(/\s+/).filter((word) => word !== '' && word !== '-'));
}
