import { fileURLToPath } from 'node:url';

/** Where the built dashboard is: beside the bundle, or, run from sources, where `npm run build:dashboard` puts it. */
export const dashboardFolder: string = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../../dashboard/dist' : './dashboard', import.meta.url),
);
