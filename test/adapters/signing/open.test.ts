import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createKeyFile } from '../../../adapters/signing/new-key.ts';
import { openPublicKey, openSigner } from '../../../adapters/signing/open.ts';
import { keyId } from '../../../core/tuf/keys.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidegate-signing-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe('openSigner', () => {
  it('opens a relative and an absolute path', async () => {
    const key = await createKeyFile(join(folder, 'a.pem'), { type: 'ed25519', passphrase: null });
    await using relative = await openSigner('file:a.pem', { cwd: folder, env: {} });
    await using absolute = await openSigner(`file:${folder}/a.pem`, { cwd: '/', env: {} });
    expect([relative.keyId, absolute.keyId]).toEqual([keyId(key), keyId(key)]);
    expect(relative.source).toBe('file:a.pem');
  });

  it('opens an encrypted key with the passphrase of the environment, or of a file', async () => {
    await createKeyFile(join(folder, 'e.pem'), { type: 'ecdsa-p256', passphrase: 'secret words' });
    await writeFile(join(folder, 'passphrase'), 'secret words\n');
    const options = (env: Record<string, string>) => ({ cwd: folder, env });
    const byVariable = options({ TIDEGATE_PASSPHRASE: 'secret words' });
    const byFile = options({ TIDEGATE_PASSPHRASE_FILE: 'passphrase' });
    await using first = await openSigner('file:e.pem', byVariable);
    await using second = await openSigner('file:e.pem', byFile);
    expect(second.keyId).toBe(first.keyId);
    await expect(openSigner('file:e.pem', options({}))).rejects.toMatchObject({
      code: 'signing/passphrase',
    });
    await expect(
      openSigner('file:e.pem', options({ TIDEGATE_PASSPHRASE_FILE: 'nowhere' })),
    ).rejects.toMatchObject({ code: 'signing/not-there' });
  });

  it.each([
    ['a path without a scheme', 'key.pem', 'signing/source'],
    ['a scheme that does not exist', 'vault:transit/root', 'signing/source'],
    ['no path', 'file:', 'signing/source'],
    ['a path with a zero byte', 'file:a\0b', 'signing/source'],
    ['a file that is not there', 'file:nothing.pem', 'signing/not-there'],
    ['a path through a file', 'file:text/key.pem', 'signing/not-there'],
    ['a folder', 'file:folder', 'signing/not-a-key'],
    ['an image given by mistake', 'file:image', 'signing/not-a-key'],
    ['a text', 'file:text', 'signing/not-a-key'],
  ])('refuses %s', async (_, source, code) => {
    await mkdir(join(folder, 'folder'), { recursive: true });
    await writeFile(join(folder, 'text'), 'hello');
    await writeFile(join(folder, 'image'), Buffer.alloc(100_000));
    const options = { cwd: folder, env: {} };
    await expect(openSigner(source, options)).rejects.toMatchObject({ code });
    await expect(openPublicKey(source, options)).rejects.toMatchObject({ code });
  });

  it('does not repeat a key that was pasted in place of its name', async () => {
    const pasted = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n';
    const failure = openSigner(pasted, { cwd: folder, env: {} });
    await expect(failure).rejects.toMatchObject({ code: 'signing/source' });
    await expect(failure).rejects.not.toMatchObject({ message: expect.stringContaining('MC4') });
  });
});
