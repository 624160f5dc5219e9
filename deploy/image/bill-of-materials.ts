import type { Architecture, DebianPackage } from './debian-packages.ts';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
}

export interface Materials {
  readonly version: string;
  readonly architecture: Architecture;
  readonly imageDigest: string;
  readonly nodeVersion: string;
  readonly debian: readonly DebianPackage[];
  readonly npm: readonly NpmPackage[];
}

/** What is in an image, as SPDX 2.3 in JSON. The same image gives the same text. */
export function billOfMaterials({ version, architecture, imageDigest, nodeVersion, debian, npm }: Materials): string {
  const image = part(
    'weft',
    version,
    'Apache-2.0',
    `pkg:oci/weft@${encodeURIComponent(imageDigest)}?arch=${architecture}`,
  );
  const parts = [
    part('node', nodeVersion, 'MIT', `pkg:generic/node@${nodeVersion}`),
    ...debian.map(({ name, version: own, sha256 }) => ({
      ...part(
        name,
        own,
        'NOASSERTION',
        `pkg:deb/debian/${name}@${encodeURIComponent(own)}?arch=${architecture}&distro=bookworm`,
      ),
      comment: `SHA-256 of the package it was taken from: ${sha256}`,
    })),
    ...npm.map(({ name, version: own, licence }) =>
      part(name, own, licence, `pkg:npm/${name.replace('@', '%40')}@${own}`),
    ),
  ];
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `weft-${version}-linux-${architecture}`,
    documentNamespace: `https://weft.dev/spdx/${imageDigest.replace(':', '-')}`,
    creationInfo: { created: '1970-01-01T00:00:00Z', creators: ['Tool: weft-image'] },
    packages: [image, ...parts],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: image.SPDXID },
      ...parts.map(({ SPDXID }) => ({
        spdxElementId: image.SPDXID,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function part(name: string, versionInfo: string, licence: string, purl: string) {
  return {
    SPDXID: `SPDXRef-${`${name}-${versionInfo}`.replaceAll(/[^a-zA-Z0-9.-]/g, '-')}`,
    name,
    versionInfo,
    downloadLocation: 'NOASSERTION',
    filesAnalyzed: false,
    licenseConcluded: 'NOASSERTION',
    licenseDeclared: licence,
    copyrightText: 'NOASSERTION',
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  };
}
