import { Model, readFileSet } from '@weft/model';
import { checkPattern } from '@weft/routing';
import { readConfigFiles } from '../check/config-files.ts';
import type { Terminal } from '../output/terminal.ts';

/** The objects of folders and files as they would be served: what would be refused is left out, and said to be. */
export function readModel(places: readonly string[], terminal: Terminal): Model {
  const { objects, refused } = readFileSet(readConfigFiles(places), { checkRegularExpression: checkPattern });
  for (const { ref } of refused) {
    terminal.err(`weft: ${ref.kind} ${ref.namespace}/${ref.name} would be refused and is left out; see weft check\n`);
  }
  const model = new Model();
  model.applyChanges(objects.map((object) => ({ type: 'Upsert', object })));
  return model;
}
