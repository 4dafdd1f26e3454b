import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export type Authority = {
  /** Its own certificate. */
  readonly file: string;
  /** A new key and certificate for 127.0.0.1 and this name, in PEM files. */
  issue(name: string): { readonly certificate: string; readonly key: string };
};

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A certificate authority of this test alone, made by openssl in `folder`. */
export function makeAuthority(folder: string, name: string): Authority {
  const pem = (of: string) => join(folder, `${of}.pem`);
  const key = (of: string) => join(folder, `${of}.key`);
  const request = (of: string, more: readonly string[]) =>
    execFileSync(
      'openssl',
      ['req', '-x509', ...EC, '-days', '2', '-subj', `/CN=${of}`].concat(
        ['-keyout', key(of), '-out', pem(of)],
        more,
      ),
      { stdio: 'pipe' },
    );
  request(name, ['-addext', 'basicConstraints=critical,CA:TRUE']);
  return {
    file: pem(name),
    issue(of) {
      const names = `subjectAltName=IP:127.0.0.1,DNS:${of}`;
      const isNoAuthority = 'basicConstraints=critical,CA:FALSE';
      const signedBy = ['-CA', pem(name), '-CAkey', key(name)];
      request(of, ['-addext', names, '-addext', isNoAuthority, ...signedBy]);
      return { certificate: pem(of), key: key(of) };
    },
  };
}
