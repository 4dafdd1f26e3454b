import { realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SigningError } from '../errors.ts';
import type { SecretOptions } from '../passphrase.ts';
import { codeOf } from '../read-text.ts';
import type { Pkcs11Uri } from './uri.ts';

// Where packages of distributions put PKCS#11 modules.
const FOLDERS = [
  '/usr/lib/x86_64-linux-gnu/pkcs11',
  '/usr/lib/aarch64-linux-gnu/pkcs11',
  '/usr/lib64/pkcs11',
  '/usr/lib/pkcs11',
  '/usr/lib/softhsm',
  '/usr/lib64/softhsm',
  '/usr/local/lib/pkcs11',
  '/usr/local/lib/softhsm',
  '/usr/local/lib',
];

/**
 * The shared library that a URI means: module-path, else module-name, else TIDEGATE_PKCS11_MODULE. One library has one
 * answer, however it is reached. Throws `signing/source` and `signing/not-there`.
 */
export async function moduleFile(
  { query }: Pkcs11Uri,
  { cwd, env }: SecretOptions,
): Promise<string> {
  const { 'module-path': path, 'module-name': name } = query;
  if (name !== undefined && !/^[A-Za-z0-9._+-]+$/.test(name)) {
    throw new SigningError('signing/source', 'a pkcs11: module-name must not be a path', {
      hints: ['use module-path'],
    });
  }
  if (path !== undefined && name !== undefined) return named(name, [resolve(cwd, path)]);
  if (name !== undefined) return named(name, FOLDERS);
  const file = path ?? env['TIDEGATE_PKCS11_MODULE'];
  if (file === undefined || file === '') {
    throw new SigningError('signing/source', 'a pkcs11: key must say which module reaches it', {
      hints: [
        'add ?module-path=/usr/lib/…/module.so or ?module-name=softhsm2 to it',
        'or set TIDEGATE_PKCS11_MODULE to the path of the module',
      ],
    });
  }
  const found = await fileAt(resolve(cwd, file));
  if (found !== null) return found;
  throw new SigningError('signing/not-there', `no PKCS#11 module is at ${file}`);
}

async function named(name: string, folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    for (const file of [`lib${name}.so`, `${name}.so`, `${name}-pkcs11.so`]) {
      const found = await fileAt(join(folder, file));
      if (found !== null) return found;
    }
  }
  throw new SigningError('signing/not-there', `no PKCS#11 module is named ${name}`, {
    hints: [`looked in ${folders.join(', ')}`, 'module-path names a module anywhere else'],
  });
}

async function fileAt(path: string): Promise<string | null> {
  try {
    const file = await realpath(path);
    return (await stat(file)).isFile() ? file : null;
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(cause))) return null;
    throw new SigningError('signing/denied', `${path} may not be read`, { cause });
  }
}
