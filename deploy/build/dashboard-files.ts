/** Makes the dashboard's pages into static files, and says what others have written of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

export const dashboardRoot: string = fileURLToPath(new URL('../../packages/dashboard/', import.meta.url));

/** Fills `folder` anew. Resolves with the names of the packages that are inside, for the notice of licences. */
export async function buildDashboard(folder: string): Promise<readonly string[]> {
  await build({
    root: dashboardRoot,
    configFile: false,
    logLevel: 'warn',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    worker: { format: 'es' },
    build: {
      outDir: folder,
      emptyOutDir: true,
      target: 'es2022',
      // An address of data would be a script or style that the page's policy refuses.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      sourcemap: false,
    },
  });
  const manifest = readFileSync(join(dashboardRoot, 'package.json'), 'utf8');
  const { dependencies } = JSON.parse(manifest) as { readonly dependencies: Readonly<Record<string, string>> };
  // The layout library brings the graph it lays out.
  return [...Object.keys(dependencies).filter((name) => !name.startsWith('@weft/')), '@dagrejs/graphlib'];
}
