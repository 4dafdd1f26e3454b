import { describe, expect, it } from '@jest/globals';
import { translateFileError } from '../../../adapters/storage/file-errors.ts';

describe('translateFileError', () => {
  it.each([
    { errno: 'ENOSPC', code: 'storage/full' },
    { errno: 'EDQUOT', code: 'storage/full' },
    { errno: 'EFBIG', code: 'storage/full' },
    { errno: 'EACCES', code: 'storage/denied' },
    { errno: 'EPERM', code: 'storage/denied' },
    { errno: 'EROFS', code: 'storage/denied' },
    { errno: 'ENAMETOOLONG', code: 'storage/name' },
    { errno: 'ENOTDIR', code: 'storage/name' },
    { errno: 'EIO', code: 'storage/unavailable' },
    { errno: 'EMFILE', code: 'storage/unavailable' },
    { errno: 'ESTALE', code: 'storage/unavailable' },
  ])('reads $errno as $code and keeps it as the cause', ({ errno, code }) => {
    const cause = Object.assign(new Error('failed'), { code: errno });
    expect(translateFileError(cause, 'writing a')).toMatchObject({ code, cause });
  });

  it.each([
    {
      case: 'a wrong argument',
      error: Object.assign(new Error(), { code: 'ERR_INVALID_ARG_TYPE' }),
    },
    { case: 'an error without a code', error: new Error('bug') },
    { case: 'no error at all', error: 'bug' },
  ])('gives back $case, which is a bug', ({ error }) => {
    expect(translateFileError(error, 'writing a')).toBe(error);
  });
});
