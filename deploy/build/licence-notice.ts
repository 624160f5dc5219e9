import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Names of the packages that modules of a bundle come from, ours left out. */
export function bundledPackages(moduleIds: readonly string[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const id of moduleIds) {
    const at = id.lastIndexOf('node_modules/');
    if (at < 0) continue;
    const [first, second] = id.slice(at + 'node_modules/'.length).split('/') as [string, string?];
    const name = first.startsWith('@') ? `${first}/${second}` : first;
    if (!name.startsWith('@weft/')) names.add(name);
  }
  return names;
}

/** Name, version, licence and licence text of each package, in order of names. A package without a text is named as such. */
export async function licenceNotice(root: string, names: ReadonlySet<string>): Promise<string> {
  const parts = [...names].sort().map(async (name) => {
    const folder = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
      version: string;
      license?: string;
    };
    const file = (await readdir(folder)).find((each) => /^(licen[cs]e|copying)/i.test(each));
    const text = file === undefined ? 'The package holds no licence text.' : await readFile(join(folder, file), 'utf8');
    return `${name} ${version}: ${license ?? 'licence not named'}\n\n${text.trim()}\n`;
  });
  const rule = `\n${'-'.repeat(80)}\n\n`;
  const head = 'Weft bundles these packages, each under its own licence.\n';
  return [head, ...(await Promise.all(parts))].join(rule);
}
