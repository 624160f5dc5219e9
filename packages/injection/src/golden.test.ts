import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatProblem } from '@weft/model';
import { parseAllDocuments } from 'yaml';
import { injectPod } from './inject-pod.ts';
import type { PodInjection } from './inject-pod.ts';
import type { InjectionSettings } from './injection-settings.ts';
import { isMap, mapOf, textOf } from './json-map.ts';
import type { JsonMap } from './json-map.ts';
import { type PatchOperation, patchOf } from './pod-patch.ts';
import { podTemplates } from './pod-template.ts';

/**
 * Each file of `golden/` holds one behaviour: the first comment is its sentence, `# namespace:` the labels of the namespace and
 * `# mesh:` what the mesh says differently, both as JSON. The JSON beside it is what became of each pod, as a patch;
 * `WEFT_GOLDEN=write` writes it anew (run the formatter after it), and the difference is read by a person.
 */
const folder = join(import.meta.dirname, '..', 'golden');
const rewrite = process.env['WEFT_GOLDEN'] === 'write';

const meshSettings: InjectionSettings = {
  image: 'weft:test',
  imagePullPolicy: '',
  imagePullSecrets: [],
  controlAddress: 'weft-control.weft-system.svc:15012',
  trustDomain: 'cluster.local',
  rootsPem: 'roots',
  tokenAudience: 'weft',
  capture: 'Redirect',
  legacyIptables: false,
  cni: false,
  logLevel: 'info',
  size: 'standard',
};

for (const name of readdirSync(folder).filter((each) => each.endsWith('.yaml'))) {
  const text = readFileSync(join(folder, name), 'utf8');
  test(`${name}: ${(text.split('\n', 1)[0] ?? '').slice(2)}`, () => {
    const settings = { ...meshSettings, ...said(text, 'mesh') };
    const namespaceLabels = said(text, 'namespace', { 'weft.dev/inject': 'enabled' });
    const outcomes = parseAllDocuments(text).flatMap((document) =>
      podTemplates(document.toJS()).map(({ pod, owner, namespace }) => {
        const place = { namespace: namespace || 'shop', namespaceLabels, drainKey: 'key' };
        const injection = injectPod(pod, place, settings, owner);
        if (injection.kind === 'injected') {
          const patched = applied(pod, patchOf(pod, injection.pod));
          assert.deepEqual(patched, injection.pod, 'the patch does not make the pod');
          const again = injectPod(injection.pod, place, settings, owner);
          assert.deepEqual(again.kind === 'injected' ? patchOf(injection.pod, again.pod) : again, [], 'not idempotent');
        }
        return described(pod, injection);
      }),
    );
    const expectedFile = join(folder, name.replace(/\.yaml$/, '.json'));
    if (rewrite) writeFileSync(expectedFile, `${JSON.stringify(outcomes, null, 2)}\n`);
    assert.deepEqual(outcomes, JSON.parse(readFileSync(expectedFile, 'utf8')));
  });
}

function described(pod: JsonMap, injection: PodInjection): unknown {
  if (injection.kind === 'injected') return { patch: patchOf(pod, injection.pod), notes: injection.notes };
  if (injection.kind === 'leave')
    return { left: injection.reason, message: injection.message, notable: injection.notable };
  return { refused: injection.problems.map(formatProblem), codes: injection.problems.map(({ code }) => code) };
}

function said(text: string, word: string, otherwise: JsonMap = {}): JsonMap {
  const line = new RegExp(`^# ${word}: (.*)$`, 'm').exec(text);
  return line === null ? otherwise : mapOf(JSON.parse(line[1]!));
}

/** What an API server makes of the operations that injection uses. */
function applied(pod: JsonMap, operations: readonly PatchOperation[]): unknown {
  const result = structuredClone(pod) as Record<string, unknown>;
  for (const { op, path, value } of operations) {
    const steps = path
      .slice(1)
      .split('/')
      .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    let target = result;
    for (const step of steps.slice(0, -1)) {
      assert.ok(isMap(target[step]), `${path} has no parent`);
      target = target[step] as Record<string, unknown>;
    }
    const last = textOf(steps.at(-1));
    assert.equal(Object.hasOwn(target, last), op === 'replace', `${op} ${path}`);
    target[last] = structuredClone(value);
  }
  return result;
}
