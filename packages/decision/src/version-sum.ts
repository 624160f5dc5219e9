import { fnv1a32 } from '@weft/kernel';

/**
 * The version of a set of resources: 16 hex digits, equal for equal sets whatever the order of arrival, so that control
 * plane, sidecar, metrics and access log call one configuration by one name. Not a cryptographic hash: the resources'
 * own hashes are.
 */
export class VersionSum {
  private first: number;
  private second: number;

  constructor() {
    this.first = 0;
    this.second = 0;
  }

  add(key: string, hash: string): void {
    const digest = fnv1a32(`${key}@${hash}`);
    this.first = (this.first + digest) | 0;
    this.second = (this.second + Math.imul(digest ^ fnv1a32(hash), 0x9e3779b1)) | 0;
  }

  toString(): string {
    return hex32(this.first) + hex32(this.second);
  }
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
