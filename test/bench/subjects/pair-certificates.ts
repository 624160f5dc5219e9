/**
 * Certificates for the pairs of the peers: as Weft's, P-256 leaves signed by a P-256 root, a SPIFFE ID in each. They
 * also carry a DNS name, which nginx insists on.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../workbench.ts';

/** Files in PEM. */
export interface PairCertificates {
  readonly root: string;
  readonly serverCertificate: string;
  readonly serverKey: string;
  /** Certificate, then key: as haproxy wants it. */
  readonly serverBoth: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
  readonly clientBoth: string;
}

export const pairServerName = 'server.bench.test';

/** Undefined when there is no `openssl` to make them with. */
export function makePairCertificates(folder: string): PairCertificates | undefined {
  const openssl = findProgram('openssl');
  if (openssl === undefined) return undefined;
  const run = (...args: string[]): void => {
    const done = spawnSync(openssl, args, { cwd: folder, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`openssl ${args.join(' ')}: ${done.stderr.trim()}`);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  run('req', '-x509', ...key, '-keyout', 'root.key', '-out', 'root.pem', '-days', '2', '-subj', '/CN=bench root');
  for (const name of ['server', 'client']) {
    writeFileSync(
      join(folder, `${name}.ext`),
      `subjectAltName=URI:spiffe://bench.test/ns/bench/sa/${name},DNS:${name}.bench.test\n` +
        'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n',
    );
    run('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const sign = ['-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`];
    run('x509', '-req', '-in', `${name}.csr`, ...sign, '-out', `${name}.pem`);
    const parts = [`${name}.pem`, `${name}.key`].map((file) => readFileSync(join(folder, file), 'utf8'));
    writeFileSync(join(folder, `${name}.both.pem`), parts.join(''));
  }
  const path = (file: string): string => join(folder, file);
  return {
    root: path('root.pem'),
    serverCertificate: path('server.pem'),
    serverKey: path('server.key'),
    serverBoth: path('server.both.pem'),
    clientCertificate: path('client.pem'),
    clientKey: path('client.key'),
    clientBoth: path('client.both.pem'),
  };
}

/** For roles that cannot do without. */
export function needCertificates(certificates: PairCertificates | undefined): PairCertificates {
  if (certificates === undefined) throw new Error('a pair needs certificates, and there is no openssl to make them');
  return certificates;
}
