import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openKmsSigner } from '../../../adapters/signing/kms.ts';
import { openSigner } from '../../../adapters/signing/open.ts';
import { startKmsStandIn } from '../../support/kms-stand-in.ts';
import type { KmsFault, KmsStandIn } from '../../support/kms-stand-in.ts';
import { signerContract } from './signer-contract.ts';

const BYTES = Buffer.from('bytes');
const ARN = 'arn:aws:kms:us-east-2:111122223333:key/p256';
const THROTTLED: KmsFault = { exception: 'ThrottlingException', status: 400 };
let shared: KmsStandIn;

beforeAll(async () => {
  shared = await startKmsStandIn();
});
afterAll(async () => {
  await shared[Symbol.asyncDispose]();
});

function open(name: string, kms = shared) {
  return openSigner(`aws-kms:${name}`, { cwd: '/', env: kms.env });
}

signerContract('AWS KMS, RSA', () => open('rsa'));
signerContract('AWS KMS, P-256', () => open('p256'));

describe('openSigner of aws-kms:', () => {
  it.each([
    ['a key on P-384', 'p384', 'signing/unsupported', 'ECC_NIST_P384'],
    ['a key on secp256k1', 'secp256k1', 'signing/unsupported', 'ECC_SECG_P256K1'],
    ['an RSA key for encryption', 'encrypts', 'signing/unsupported', 'ENCRYPT_DECRYPT'],
    ['a symmetric key', 'symmetric', 'signing/unsupported', 'UnsupportedOperationException'],
    ['a key that is not there', 'nope', 'signing/not-there', 'NotFoundException'],
    ['a name that is none', 'alias/eu:p256', 'signing/source', 'must name a key'],
  ])('refuses %s', async (_, name, code, message) => {
    await expect(open(name)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(new RegExp(`^[^\\n]*${message}[^\\n]*$`)),
    });
  });

  it.each([
    ['AccessDeniedException', 400, 'signing/denied', 1],
    ['UnrecognizedClientException', 400, 'signing/denied', 1],
    ['ExpiredTokenException', 400, 'signing/denied', 1],
    ['DisabledException', 400, 'signing/disabled', 1],
    ['KMSInvalidStateException', 400, 'signing/disabled', 1],
    ['ThrottlingException', 400, 'signing/unavailable', 3],
    ['KMSInternalException', 500, 'signing/unavailable', 3],
  ])('says one clear thing of %s, HTTP %i', async (exception, status, code, attempts) => {
    await using kms = await startKmsStandIn();
    const fault = { exception, status };
    kms.fail('GetPublicKey', fault, fault, fault, fault);
    await expect(open('p256', kms)).rejects.toMatchObject({
      code,
      message: `aws-kms:p256: GetPublicKey failed with ${exception} (HTTP ${status}): told by KMS`,
    });
    expect(kms.requests).toHaveLength(attempts);
  });

  it('takes the region from an ARN, whatever the environment says', async () => {
    await using kms = await startKmsStandIn();
    await using signer = await open(ARN, kms);
    await signer.sign(BYTES);
    expect(kms.requests).toEqual([
      { action: 'GetPublicKey', region: 'us-east-2' },
      { action: 'Sign', region: 'us-east-2' },
    ]);
  });

  it('refuses to guess a region', async () => {
    // The SDK's own sources must not know one either.
    for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE'])
      delete process.env[name];
    process.env['AWS_CONFIG_FILE'] = '/dev/null';
    process.env['AWS_SHARED_CREDENTIALS_FILE'] = '/dev/null';
    const { AWS_REGION: _, ...env } = shared.env;
    const failure = openSigner('aws-kms:alias/root', { cwd: '/', env });
    await expect(failure).rejects.toMatchObject({ code: 'signing/source' });
  });

  it('says that nobody listens there', async () => {
    const kms = await startKmsStandIn();
    await kms[Symbol.asyncDispose]();
    await expect(open('p256', kms)).rejects.toMatchObject({
      code: 'signing/unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('gives up after three attempts that KMS does not answer in time', async () => {
    await using kms = await startKmsStandIn();
    kms.fail('GetPublicKey', 'silence', 'silence', 'silence', 'silence');
    const { env } = kms;
    const opened = openKmsSigner({ source: 'aws-kms:p256', keyName: 'p256', env, answerMs: 200 });
    await expect(opened).rejects.toMatchObject({
      code: 'signing/unavailable',
      message: expect.stringMatching(/ETIMEDOUT|TimeoutError/),
    });
    expect(kms.requests).toHaveLength(3);
  });
});

describe('sign of aws-kms:', () => {
  it('signs when KMS throttles twice', async () => {
    await using kms = await startKmsStandIn();
    await using signer = await open('p256', kms);
    kms.fail('Sign', THROTTLED, THROTTLED);
    expect(await signer.sign(BYTES)).toMatch(/^30/);
    expect(kms.requests.filter(({ action }) => action === 'Sign')).toHaveLength(3);
  });

  it('gives up when KMS throttles three times, and signs the next time', async () => {
    await using kms = await startKmsStandIn();
    await using signer = await open('p256', kms);
    kms.fail('Sign', THROTTLED, THROTTLED, THROTTLED);
    await expect(signer.sign(BYTES)).rejects.toMatchObject({ code: 'signing/unavailable' });
    expect(kms.requests.filter(({ action }) => action === 'Sign')).toHaveLength(3);
    expect(await signer.sign(BYTES)).toMatch(/^30/);
  });

  it('says it once when the key may be read but not used', async () => {
    await using kms = await startKmsStandIn();
    await using signer = await open('p256', kms);
    kms.fail('Sign', { exception: 'AccessDeniedException', status: 400 });
    await expect(signer.sign(BYTES)).rejects.toMatchObject({
      code: 'signing/denied',
      hints: ['signing needs kms:GetPublicKey and kms:Sign on this key'],
    });
    expect(kms.requests.filter(({ action }) => action === 'Sign')).toHaveLength(1);
  });
});
