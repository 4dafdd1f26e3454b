import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { AskError } from '../../adapters/terminal/ask-secret.ts';
import { encryptedCopy } from '../../adapters/signing/export.ts';
import { openSigner } from '../../adapters/signing/open.ts';
import { makeWorkplace } from '../support/cli.ts';

const TYPES = ['ed25519', 'ecdsa-p256', 'rsa'];
const NEW = ['key', 'new', '--type'];
const EXPORT = ['key', 'export', 'file:k.pem', '--for', 'tuftool', '--out', 'copy'];
const ENCRYPT = ['key', 'encrypt', 'file:k.pem', '--out', 'copy'];

async function setup(type = 'ed25519', passphrase?: string) {
  const at = await makeWorkplace();
  if (passphrase !== undefined) at.env['TIDEGATE_PASSPHRASE'] = passphrase;
  const encrypt = passphrase === undefined ? [] : ['--encrypt'];
  const id = await at.must(...NEW, type, '--out', 'k.pem', ...encrypt);
  return { at, id };
}

/** Answers in turn; after the last one the person gives up. */
function answers(...texts: readonly string[]) {
  const asked: string[] = [];
  const askSecret = (question: string) => {
    const answer = texts[asked.push(question) - 1];
    return answer === undefined
      ? Promise.reject(new AskError('ask/refused', 'no answer'))
      : Promise.resolve(answer);
  };
  return { asked, askSecret };
}

describe('tidegate key show', () => {
  it.each(TYPES)('shows the same id for both halves of a key of type %s', async (type) => {
    const { at, id } = await setup(type);
    await using _ = at;
    await at.must('key', 'public', 'file:k.pem', '--out', 'k.pub');
    const whole = await at.must('key', 'show', 'file:k.pem', '--json');
    expect(JSON.parse(whole)).toMatchObject({ keyId: id, key: { keyval: {} } });
    expect(await at.must('key', 'show', 'file:k.pub', '--json')).toBe(whole);
    expect(await at.must('key', 'show', 'file:k.pub')).toContain(`key id: ${id}\n`);
  });
});

describe('tidegate key public', () => {
  it('writes no private half, and never overwrites', async () => {
    const { at, id } = await setup();
    await using _ = at;
    const command = ['key', 'public', 'file:k.pem', '--out', 'k.pub'];
    expect(JSON.parse(await at.must(...command, '--json'))).toEqual({
      keyId: id,
      type: 'ed25519',
      file: 'k.pub',
    });
    const written = await readFile(join(at.folder, 'k.pub'), 'utf8');
    expect(createPublicKey(written).type).toBe('public');
    expect(written).not.toContain('PRIVATE');
    expect((await at.run(...command)).code).toBe(1);
    expect(await readFile(join(at.folder, 'k.pub'), 'utf8')).toBe(written);
  });
});

describe('tidegate key export', () => {
  it.each([
    ['ed25519', 'der', 'ed25519'],
    ['ecdsa-p256', 'der', 'ec'],
    ['rsa', 'pem', 'rsa'],
  ] as const)('writes %s as PKCS#8 %s for its owner only', async (type, format, kind) => {
    const { at, id } = await setup(type);
    await using _ = at;
    const printed: unknown = JSON.parse(await at.must(...EXPORT, '--json'));
    expect(printed).toMatchObject({ keyId: id, format, file: 'copy' });
    const key = await readFile(join(at.folder, 'copy'));
    const read = createPrivateKey({ key, format, type: 'pkcs8' });
    expect(read.asymmetricKeyType).toBe(kind);
    const original = createPrivateKey(await readFile(join(at.folder, 'k.pem')));
    expect(read.equals(original)).toBe(true);
    expect((await stat(join(at.folder, 'copy'))).mode & 0o777).toBe(0o600);
  });

  it('never overwrites', async () => {
    const { at } = await setup();
    await using _ = at;
    await writeFile(join(at.folder, 'copy'), 'precious');
    expect((await at.run(...EXPORT)).code).toBe(1);
    expect(await readFile(join(at.folder, 'copy'), 'utf8')).toBe('precious');
  });

  it('refuses a key that lives in AWS KMS, without asking AWS', async () => {
    await using at = await makeWorkplace();
    const { code, stderr } = await at.run(
      ...['key', 'export', 'aws-kms:alias/root', '--for', 'tuftool', '--out', 'copy'],
    );
    expect(code).toBe(1);
    expect(stderr).toContain('never leaves it');
    expect(await readdir(at.folder)).toEqual([]);
  });
});

describe('tidegate key encrypt', () => {
  it('changes one passphrase for another, and leaves the old file alone', async () => {
    const { at, id } = await setup('ecdsa-p256', 'old words');
    await using _ = at;
    at.env['TIDEGATE_NEW_PASSPHRASE'] = 'new words';
    expect(await at.must(...ENCRYPT)).toBe(id);
    const opened = (name: string, passphrase: string) =>
      openSigner(`file:${name}`, { cwd: at.folder, env: { TIDEGATE_PASSPHRASE: passphrase } });
    await using copy = await opened('copy', 'new words');
    await using old = await opened('k.pem', 'old words');
    expect([copy.keyId, old.keyId]).toEqual([id, id]);
    await expect(opened('copy', 'old words')).rejects.toMatchObject({ code: 'signing/passphrase' });
    expect((await stat(join(at.folder, 'copy'))).mode & 0o777).toBe(0o600);
  });

  it('takes the new passphrase from the first line of a file', async () => {
    const { at, id } = await setup('ed25519', 'old words');
    await using _ = at;
    await writeFile(join(at.folder, 'words'), 'new words\n');
    at.env['TIDEGATE_NEW_PASSPHRASE_FILE'] = 'words';
    await at.must(...ENCRYPT);
    const env = { TIDEGATE_PASSPHRASE: 'new words' };
    await using copy = await openSigner('file:copy', { cwd: at.folder, env });
    expect(copy.keyId).toBe(id);
  });

  it('does not encrypt again under the passphrase that opened the old file', async () => {
    const { at } = await setup('ed25519', 'old words');
    await using _ = at;
    expect((await at.run(...ENCRYPT)).code).toBe(1);
    expect(await readdir(at.folder)).toEqual(['k.pem']);
  });

  it.each([
    ['two that differ', ['one', 'other'], 'signing/passphrase'],
    ['an empty one', [''], 'signing/passphrase'],
    ['a person who gives up', ['one'], 'ask/refused'],
  ])('refuses a new passphrase from %s', async (_, texts, code) => {
    const { at } = await setup();
    await using _at = at;
    const { askSecret } = answers(...texts);
    const secrets = { cwd: at.folder, env: {}, askSecret };
    await expect(encryptedCopy('file:k.pem', { out: 'copy', secrets })).rejects.toMatchObject({
      code,
    });
  });
});

describe('the question for the passphrase of a key', () => {
  it.each([
    ['opens at the third try', ['a', 'b', 'right'], 3, null],
    ['ends after three wrong tries', ['a', 'b', 'c', 'right'], 3, 'signing/passphrase'],
    ['ends at once when the person gives up', ['a'], 2, 'ask/refused'],
  ])('%s', async (_, texts, count, code) => {
    const { at, id } = await setup('ed25519', 'right');
    await using _at = at;
    const { asked, askSecret } = answers(...texts);
    const opened = await openSigner('file:k.pem', { cwd: at.folder, env: {}, askSecret }).then(
      ({ keyId }) => ({ keyId }),
      (error: unknown) => error,
    );
    expect(opened).toMatchObject(code === null ? { keyId: id } : { code });
    expect(asked).toHaveLength(count);
  });
});
