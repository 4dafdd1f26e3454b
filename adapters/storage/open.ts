import { resolve } from 'node:path';
import { openFilesystemStorage } from './filesystem.ts';
import { openHttpStorage } from './http.ts';
import { readOnly } from './read-only.ts';
import { StorageError } from './storage.ts';
import type { Storage } from './storage.ts';

export type OpenStorageOptions = {
  /** Only `write` proves that the store is safe to write to, and only it can put and delete. */
  readonly access: 'read' | 'write';
  /** A relative path in the URL starts here. */
  readonly cwd: string;
  /** Where S3 settings and credentials are read, by the names of the AWS SDK. */
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** Opens `file:FOLDER`, `s3://BUCKET/PREFIX` or, for reading only, `http(s)://…`; else throws `storage/name`. */
export async function openStorage(
  url: string,
  { access, cwd, env }: OpenStorageOptions,
): Promise<Storage> {
  const storage = await open(url, { access, cwd, env });
  return access === 'read' ? readOnly(storage) : storage;
}

async function open(url: string, { access, cwd, env }: OpenStorageOptions): Promise<Storage> {
  const [, scheme = '', rest = ''] = /^([a-z0-9]+):(.*)$/s.exec(url) ?? [];
  switch (scheme) {
    case 'file':
      return openFilesystemStorage({ folder: resolve(cwd, folderOf(rest)), access });
    case 's3': {
      // Loading the AWS SDK takes longer than most commands: only who needs it waits for it.
      const { openS3Storage } = await import('./s3.ts');
      return openS3Storage({ url, access, env });
    }
    case 'http':
    case 'https':
      if (access === 'read') return openHttpStorage({ url });
      throw new StorageError('storage/denied', 'a repository behind http can only be read', {
        hints: ['write to where it is kept: file:FOLDER or s3://BUCKET/PREFIX'],
      });
    default:
      throw malformed('storage must be a URL of a known kind');
  }
}

/** The path is taken as it is written: `%` means `%`. */
function folderOf(path: string): string {
  const isOfAHost = path.startsWith('//') && !path.startsWith('///');
  if (path === '' || path.includes('\0') || isOfAHost) {
    throw malformed(`storage must name a folder, got ${JSON.stringify(`file:${path}`)}`);
  }
  return path;
}

// A URL of an unknown kind may hold a password, so it is not repeated.
function malformed(message: string): StorageError {
  return new StorageError('storage/name', message, {
    hints: [
      'file:./repository or file:/srv/repository',
      's3://bucket/prefix?endpoint=https://…&region=…&forcePathStyle=true',
      'https://updates.example.com/repo, for reading only',
    ],
  });
}
