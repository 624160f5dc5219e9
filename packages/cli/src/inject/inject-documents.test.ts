import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { InjectionSettings } from '@weft/injection';
import { parseAllDocuments } from 'yaml';
import { injectDocuments } from './inject-documents.ts';

const settings: InjectionSettings = {
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

const deployment = `# The cart.
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart } # short
spec:
  template:
    spec:
      containers:
        - name: web # the only one
          image: cart:1
`;
const service = `apiVersion: v1
kind: Service
metadata:
  name: cart # untouched
spec:
  ports:
    - port: 80
`;

describe('injecting into files', () => {
  it('changes what makes pods and leaves other documents, comments and order as they are', () => {
    const { text, injected, faults } = injectDocuments(
      `${deployment}---\n${service}`,
      'shop.yaml',
      settings,
      randomUUID,
    );
    assert.deepEqual([injected, faults], [1, []]);
    assert.ok(
      text.startsWith('# The cart.\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: cart } # short\n'),
    );
    assert.ok(text.endsWith(`---\n${service}`));
    const [first] = parseAllDocuments(text);
    assert.equal(first?.getIn(['spec', 'template', 'spec', 'initContainers', 1, 'name']), 'weft-proxy');
    assert.equal(first?.getIn(['spec', 'template', 'spec', 'containers', 0, 'name']), 'web');
  });

  it('gives the same text again when it is given its own', () => {
    const once = injectDocuments(`${deployment}---\n${service}`, 'shop.yaml', settings, randomUUID).text;
    assert.equal(injectDocuments(once, 'shop.yaml', settings, randomUUID).text, once);
  });

  it('says of which pods it kept away, and that a text is wrong, with the file', () => {
    const left =
      'kind: Pod\nmetadata: { labels: { weft.dev/inject: disabled } }\nspec: { containers: [{ name: a }] }\n';
    assert.deepEqual(injectDocuments(left, 'a.yaml', settings, randomUUID).notes, [
      "a.yaml: the pod is left alone: the pod's label says weft.dev/inject: disabled",
    ]);
    const wrong = injectDocuments('kind: Pod\nspec: {}\n', 'b.yaml', settings, randomUUID);
    assert.match(wrong.faults.join(), /^b\.yaml: error: Pod .*spec\.containers: a pod has at least one container/);
    assert.match(injectDocuments('a: [1', 'c.yaml', settings, randomUUID).faults.join(), /^c\.yaml: /);
    assert.deepEqual(injectDocuments('', 'd.yaml', settings, randomUUID).faults, []);
  });

  it('refuses a text that would grow without end when it is read', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [letter, before] of [...'bcdefghi'].map((each, index) => [each, 'abcdefgh'[index]] as const)) {
      bomb.push(`${letter}: &${letter} [${Array.from({ length: 9 }, () => `*${before}`).join(', ')}]`);
    }
    assert.match(injectDocuments(bomb.join('\n'), 'e.yaml', settings, randomUUID).faults.join(), /^e\.yaml: .*alias/i);
  });
});
