import { describe, expect, it } from '@jest/globals';
import { translateS3Error, unquotedETag } from '../../../adapters/storage/s3-errors.ts';

describe('translateS3Error', () => {
  it.each([
    { name: 'NoSuchKey', status: 404, code: 'storage/not-there' },
    { name: 'Unknown', status: 404, code: 'storage/not-there' },
    { name: 'NoSuchBucket', status: 404, code: 'storage/name' },
    { name: 'NoSuchUpload', status: 404, code: 'storage/unavailable' },
    { name: 'XAdminUserNotFound', status: 404, code: 'storage/denied' },
    { name: 'PreconditionFailed', status: 412, code: 'storage/changed' },
    { name: 'Unknown', status: 412, code: 'storage/changed' },
    { name: 'ConditionalRequestConflict', status: 409, code: 'storage/changed' },
    { name: 'InvalidRange', status: 416, code: 'storage/range' },
    { name: 'AccessDenied', status: 403, code: 'storage/denied' },
    { name: 'RequestTimeTooSkewed', status: 403, code: 'storage/denied' },
    { name: 'ExpiredToken', status: 400, code: 'storage/denied' },
    { name: 'PermanentRedirect', status: 301, code: 'storage/name' },
    { name: 'NotImplemented', status: 501, code: 'storage/unsafe' },
    { name: 'QuotaExceeded', status: 403, code: 'storage/full' },
    { name: 'InsufficientStorage', status: 507, code: 'storage/full' },
    { name: 'SlowDown', status: 503, code: 'storage/unavailable' },
    { name: 'BadDigest', status: 400, code: 'storage/unavailable' },
    { name: 'SyntaxError', status: 200, code: 'storage/unavailable' },
  ])('reads $name with HTTP $status as $code', ({ name, status, code }) => {
    const cause = Object.assign(new Error('said the store'), {
      name,
      $metadata: { httpStatusCode: status },
    });
    expect(translateS3Error(cause, 'reading a')).toMatchObject({ code, cause });
  });

  it.each(['ECONNRESET', 'ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE'])(
    'reads %s as storage/unavailable',
    (errno) => {
      const cause = Object.assign(new Error('failed'), { code: errno });
      expect(translateS3Error(cause, 'reading a')).toMatchObject({ code: 'storage/unavailable' });
    },
  );

  it('reads missing credentials as storage/denied, with a hint', () => {
    const cause = Object.assign(new Error('none'), { name: 'CredentialsProviderError' });
    expect(translateS3Error(cause, 'reading a')).toMatchObject({
      code: 'storage/denied',
      hints: [expect.stringContaining('AWS_ACCESS_KEY_ID')],
    });
  });

  it.each([{ error: new TypeError('bug') }, { error: 'bug' }, { error: undefined }])(
    'gives back $error, which is a bug',
    ({ error }) => {
      expect(translateS3Error(error, 'reading a')).toBe(error);
    },
  );
});

describe('unquotedETag', () => {
  it('takes the quotes off, once', () => {
    expect(unquotedETag('"abc-2"', 'a')).toBe('abc-2');
    expect(unquotedETag('abc', 'a')).toBe('abc');
  });

  it.each([undefined, '', '""'])('refuses %j', (etag) => {
    expect(() => unquotedETag(etag, 'a')).toThrow(
      expect.objectContaining({ code: 'storage/unavailable' }),
    );
  });
});
