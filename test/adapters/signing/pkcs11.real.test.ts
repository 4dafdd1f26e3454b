import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SecretOptions } from '../../../adapters/signing/passphrase.ts';
import { openPublicKey, openSigner } from '../../../adapters/signing/open.ts';
import { isSignedBy } from '../../../core/tuf/keys.ts';
import { PIN, SoftHsm } from '../../support/softhsm.ts';
import { signerContract } from './signer-contract.ts';

let hsm: SoftHsm;
const WITH_PIN = { cwd: '/', env: { TIDEGATE_PKCS11_PIN: PIN } };
const BYTES = Buffer.from('bytes');

beforeAll(async () => {
  hsm = await SoftHsm.make();
  hsm.addToken('Release keys');
  const keys: readonly (readonly [string, string, string, ...string[]])[] = [
    ['rsa:2048', 'rsa', '01'],
    ['EC:prime256v1', 'p256', '02'],
    ['EC:edwards25519', 'ed25519', '03'],
    ['EC:prime256v1', 'each-time', '04', '--always-auth'],
    ['EC:prime256v1', 'twice', '05'],
    ['EC:prime256v1', 'twice', '06'],
    ['EC:secp384r1', 'p384', '07'],
    ['rsa:1024', 'small', '08'],
  ];
  for (const [type, label, id, ...options] of keys) {
    hsm.addKey('Release keys', { type, label, id }, ...options);
  }
});
afterAll(() => {
  hsm[Symbol.dispose]();
});

function uri(key: string, module = 'softhsm2'): string {
  return `pkcs11:token=Release%20keys;${key}?module-name=${module}`;
}

signerContract('PKCS#11, RSA', () => openSigner(uri('object=rsa'), WITH_PIN));
signerContract('PKCS#11, P-256', () => openSigner(uri('object=p256'), WITH_PIN));
signerContract('PKCS#11, ed25519', () => openSigner(uri('id=%03'), WITH_PIN));
signerContract('PKCS#11, a key that wants the PIN for each signature', () =>
  openSigner(uri('object=each-time'), WITH_PIN),
);

describe('openSigner of pkcs11:', () => {
  it.each([
    ['a token that is not there', 'pkcs11:token=Nope?module-name=softhsm2', 'signing/not-there'],
    ['a token of another serial', uri('serial=0'), 'signing/not-there'],
    ['a token of another model', uri('model=v1'), 'signing/not-there'],
    ['another slot', uri('slot-id=4711'), 'signing/not-there'],
    ['another library', uri('library-manufacturer=ACME'), 'signing/not-there'],
    ['another version of the library', uri('library-version=1'), 'signing/not-there'],
    ['a label that no key has', uri('object=nope'), 'signing/not-there'],
    ['an id that no key has', uri('id=%99'), 'signing/not-there'],
    ['the label of one key with the id of another', uri('object=rsa;id=%02'), 'signing/not-there'],
    ['a label that two keys have', uri('object=twice'), 'signing/ambiguous'],
    ['P-384', uri('object=p384'), 'signing/unsupported'],
    ['RSA of 1024 bits', uri('object=small'), 'signing/unsupported'],
    ['a public key', uri('object=rsa;type=public'), 'signing/source'],
    ['no module', 'pkcs11:object=rsa', 'signing/source'],
    ['a module name that is a path', 'pkcs11:object=rsa?module-name=../x', 'signing/source'],
    ['a module that no package installed', uri('object=rsa', 'nope'), 'signing/not-there'],
    ['a path without a module', 'pkcs11:object=rsa?module-path=/nope.so', 'signing/not-there'],
    [
      'a folder without the module',
      'pkcs11:object=rsa?module-path=/etc&module-name=softhsm2',
      'signing/not-there',
    ],
    [
      'a file that is no library',
      'pkcs11:object=rsa?module-path=/etc/passwd',
      'signing/unavailable',
    ],
    [
      'a library that is no module',
      'pkcs11:object=rsa?module-path=/lib64/ld-linux-x86-64.so.2',
      'signing/unavailable',
    ],
    ['a PIN that a command would give', `${uri('id=%01')}&pin-source=|echo`, 'signing/source'],
    ['a PIN at a URL', `${uri('id=%01')}&pin-source=http://a/b`, 'signing/source'],
    ['a PIN file that is not there', `${uri('id=%01')}&pin-source=nope`, 'signing/not-there'],
  ])('refuses %s', async (_, source, code) => {
    await expect(openSigner(source, WITH_PIN)).rejects.toMatchObject({ code });
  });

  it('tells the keys of one label apart by their ids', async () => {
    await using first = await openSigner(uri('object=twice;id=%05'), WITH_PIN);
    await using second = await openSigner(uri('object=twice;id=%06'), WITH_PIN);
    expect(second.keyId).not.toBe(first.keyId);
  });

  it('tells the tokens of one label apart by their serial numbers', async () => {
    const [one, two] = ['Twin', 'Twin'].map((label) => hsm.addToken(label));
    const twin = (serial: string) => `pkcs11:token=Twin${serial};id=%01?module-name=softhsm2`;
    const failure = openSigner(twin(''), WITH_PIN);
    await expect(failure).rejects.toMatchObject({
      code: 'signing/ambiguous',
      hints: expect.arrayContaining([
        expect.stringContaining(`${one}`),
        expect.stringContaining(`${two}`),
      ]),
    });
    await expect(openSigner(twin(`;serial=${two}`), WITH_PIN)).rejects.toMatchObject({
      code: 'signing/not-there',
      message: expect.stringContaining('private key'),
    });
  });

  it('tries a wrong PIN exactly once', async () => {
    const before = hsm.spiedCalls('C_Login');
    const options = { cwd: '/', env: { TIDEGATE_PKCS11_PIN: '111111' } };
    await expect(openSigner(uri('id=%01', 'pkcs11-spy'), options)).rejects.toMatchObject({
      code: 'signing/passphrase',
      message: expect.stringContaining('CKR_PIN_INCORRECT'),
    });
    expect(hsm.spiedCalls('C_Login') - before).toBe(1);
  });

  it('tries a wrong PIN of a prompt exactly once', async () => {
    const before = hsm.spiedCalls('C_Login');
    const at = prompt('111111');
    await expect(openSigner(uri('id=%01', 'pkcs11-spy'), at.options)).rejects.toMatchObject({
      code: 'signing/passphrase',
    });
    expect(at.questions).toEqual(['PIN of the token Release keys']);
    expect(hsm.spiedCalls('C_Login') - before).toBe(1);
  });

  it('tries no PIN at all when none or an empty one is given', async () => {
    const before = hsm.spiedCalls('C_Login');
    for (const options of [{ cwd: '/', env: {} }, prompt('').options]) {
      await expect(openSigner(uri('id=%01', 'pkcs11-spy'), options)).rejects.toMatchObject({
        code: 'signing/passphrase',
      });
    }
    expect(hsm.spiedCalls('C_Login') - before).toBe(0);
  });

  it('gives the wrong PIN of a single signature to the token once, however often it is asked to sign', async () => {
    await using loggedIn = await openSigner(uri('id=%02', 'pkcs11-spy'), WITH_PIN);
    const at = prompt('111111');
    await using signer = await openSigner(uri('object=each-time', 'pkcs11-spy'), at.options);
    const before = hsm.spiedCalls('C_Login');
    for (let times = 0; times < 2; times += 1) {
      await expect(signer.sign(BYTES)).rejects.toMatchObject({ code: 'signing/passphrase' });
    }
    expect(hsm.spiedCalls('C_Login') - before).toBe(1);
    expect(isSignedBy(loggedIn.key, BYTES, await loggedIn.sign(BYTES))).toBe(true);
  });

  it('asks once for the PIN of a token that holds several of the keys', async () => {
    const at = prompt(PIN);
    await using first = await openSigner(uri('object=rsa'), at.options);
    await using second = await openSigner(uri('object=p256'), at.options);
    for (const signer of [first, second]) {
      expect(isSignedBy(signer.key, BYTES, await signer.sign(BYTES))).toBe(true);
    }
    expect(at.questions).toEqual(['PIN of the token Release keys']);
  });

  it('signs with one key of a module after another one of it was closed', async () => {
    const first = await openSigner(uri('object=rsa'), WITH_PIN);
    await using second = await openSigner(uri('object=p256'), WITH_PIN);
    await first[Symbol.asyncDispose]();
    expect(isSignedBy(second.key, BYTES, await second.sign(BYTES))).toBe(true);
    await expect(first.sign(BYTES)).rejects.toMatchObject({ code: 'signing/unavailable' });
  });

  it('opens many keys of a module at the same time, and logs in once', async () => {
    const before = hsm.spiedCalls('C_Initialize');
    const logins = hsm.spiedCalls('C_Login');
    const signers = await Promise.all(
      ['id=%01', 'id=%02', 'id=%03', 'id=%05'].map((key) =>
        openSigner(uri(key, 'pkcs11-spy'), WITH_PIN),
      ),
    );
    await Promise.all(signers.map((signer) => signer.sign(BYTES)));
    await Promise.all(signers.map((signer) => signer[Symbol.asyncDispose]()));
    expect(hsm.spiedCalls('C_Initialize') - before).toBe(1);
    expect(hsm.spiedCalls('C_Login') - logins).toBe(1);
    expect(hsm.spiedCalls('C_CloseSession')).toBe(hsm.spiedCalls('C_OpenSession'));
    expect(hsm.spiedCalls('C_Finalize')).toBe(hsm.spiedCalls('C_Initialize'));
  });

  it('does not sign when the public half in the token belongs to another key', async () => {
    hsm.addKey('Release keys', { type: 'EC:prime256v1', label: 'mixed', id: '20' });
    hsm.tool('Release keys', '--delete-object', '--type', 'pubkey', '--id', '20');
    await expect(openSigner(uri('object=mixed'), WITH_PIN)).rejects.toMatchObject({
      code: 'signing/not-there',
    });
    hsm.addKey('Release keys', { type: 'EC:prime256v1', label: 'other', id: '21' });
    hsm.tool('Release keys', '--delete-object', '--type', 'privkey', '--id', '21');
    hsm.tool(
      'Release keys',
      ...['--set-id', '20', '--type', 'pubkey', '--label', 'other', '--id', '21'],
    );
    await using signer = await openSigner(uri('object=mixed'), WITH_PIN);
    await expect(signer.sign(BYTES)).rejects.toMatchObject({ code: 'signing/unavailable' });
  });

  it('goes on signing after memory was cleaned up', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc');
    await using signer = await openSigner(uri('object=p256'), WITH_PIN);
    for (let times = 0; times < 5; times += 1) {
      collectGarbage();
      await new Promise((resolve) => setImmediate(resolve));
      expect(isSignedBy(signer.key, BYTES, await signer.sign(BYTES))).toBe(true);
    }
  });

  it('does not show a PIN that stands in the URI', async () => {
    const source = `${uri('object=p256')}&pin-value=${PIN}`;
    await using signer = await openSigner(source, { cwd: '/', env: {} });
    expect(signer.source).toBe(uri('object=p256'));
  });
});

describe('openPublicKey of pkcs11:', () => {
  it('needs no PIN for type=public, and gives the key that the private half signs for', async () => {
    for (const label of ['rsa', 'p256', 'ed25519']) {
      const shown = await openPublicKey(uri(`object=${label};type=public`), { cwd: '/', env: {} });
      await using signer = await openSigner(uri(`object=${label}`), WITH_PIN);
      expect(shown).toEqual(signer.key);
    }
  });

  it('logs in for the private half otherwise', async () => {
    const source = uri('object=p256');
    await expect(openPublicKey(source, { cwd: '/', env: {} })).rejects.toMatchObject({
      code: 'signing/passphrase',
    });
    expect(await openPublicKey(source, WITH_PIN)).toMatchObject({ scheme: 'ecdsa-sha2-nistp256' });
  });
});

function prompt(answer: string): {
  readonly options: SecretOptions;
  readonly questions: readonly string[];
} {
  const questions: string[] = [];
  const askSecret = async (question: string) => {
    questions.push(question);
    return answer;
  };
  return { options: { cwd: '/', env: {}, askSecret }, questions };
}
