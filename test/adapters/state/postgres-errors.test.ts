import { describe, expect, it } from '@jest/globals';
import {
  connectionError,
  translatePostgresError,
} from '../../../adapters/state/postgres-errors.ts';

const SOURCE = 'postgres://127.0.0.1:5432/tide';

function serverError(code: string) {
  return { severity: 'ERROR', code, message: 'as the server says it' };
}

describe('translatePostgresError', () => {
  it.each([
    { fault: 'a serialization failure', sqlState: '40001', code: 'state/busy' },
    { fault: 'a deadlock', sqlState: '40P01', code: 'state/busy' },
    { fault: 'a lock that nobody gave up', sqlState: '55P03', code: 'state/busy' },
    { fault: 'a full disk', sqlState: '53100', code: 'state/full' },
    { fault: 'too many connections', sqlState: '53300', code: 'state/unavailable' },
    { fault: 'a server that stops', sqlState: '57P01', code: 'state/unavailable' },
    { fault: 'a server that starts', sqlState: '57P03', code: 'state/unavailable' },
    { fault: 'a statement that takes too long', sqlState: '57014', code: 'state/unavailable' },
    { fault: 'a standby', sqlState: '25006', code: 'state/unavailable' },
    { fault: 'a broken connection', sqlState: '08006', code: 'state/unavailable' },
    { fault: 'a disk that fails', sqlState: '58030', code: 'state/unavailable' },
    { fault: 'a wrong password', sqlState: '28P01', code: 'state/denied' },
    { fault: 'a missing grant', sqlState: '42501', code: 'state/denied' },
    { fault: 'a missing database', sqlState: '3D000', code: 'state/url' },
    { fault: 'a broken page', sqlState: 'XX001', code: 'state/damaged' },
  ])('reads $fault as $code', ({ sqlState, code }) => {
    const error = serverError(sqlState);
    expect(translatePostgresError(error, SOURCE)).toMatchObject({
      code,
      message: expect.stringContaining(SOURCE),
      cause: error,
    });
  });

  it.each([
    { bug: 'a broken constraint', error: serverError('23505') },
    { bug: 'a statement that is no SQL', error: serverError('42601') },
    { bug: 'an error of Node', error: { code: 'ENOENT' } },
    { bug: 'a thrown text', error: '40001' },
  ])('leaves $bug to whoever must mend it', ({ error }) => {
    expect(translatePostgresError(error, SOURCE)).toBeUndefined();
  });
});

describe('connectionError', () => {
  it.each([
    { fault: 'a refused connection', error: { code: 'ECONNREFUSED' } },
    {
      fault: 'a connection that ends, for which the driver has no code',
      error: new Error('ended'),
    },
    { fault: 'a certificate of nobody', error: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' } },
    { fault: 'a server that is starting', error: serverError('57P03') },
  ])('reads $fault as a database that is away', ({ error }) => {
    expect(connectionError(error, SOURCE)).toMatchObject({
      code: 'state/unavailable',
      cause: error,
    });
  });

  it('leaves a value that cannot be written down, and what the server finds wrong, as they are', () => {
    const error = new TypeError('a cycle');
    expect(connectionError(error, SOURCE)).toBe(error);
    const broken = serverError('23505');
    expect(connectionError(broken, SOURCE)).toBe(broken);
  });
});
