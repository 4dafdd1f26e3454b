import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openSigner } from '../../adapters/signing/open.ts';
import { keyNewCommand } from '../../repo-tools/commands/key-new.ts';

let cwd: string;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'tidegate-key-new-'));
});
afterEach(async () => {
  await rm(cwd, { recursive: true });
});

async function keyNew(args: readonly string[], env: Record<string, string> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const io = {
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    env,
    cwd,
    now: () => new Date(0),
    signal: new AbortController().signal,
  };
  const command = keyNewCommand(io)
    .exitOverride()
    .configureOutput({ writeErr: (text) => err.push(text) });
  await command.parseAsync([...args], { from: 'user' });
  return { stdout: out.join(''), stderr: err.join('') };
}

describe('tidegate key new', () => {
  it.each(['ed25519', 'ecdsa-p256', 'rsa'])(
    'makes a key of type %s that only its owner reads, and prints its id',
    async (type) => {
      const { stdout, stderr } = await keyNew(['--type', type, '--out', 'k.pem']);
      await using signer = await openSigner('file:k.pem', { cwd, env: {} });
      expect(stdout).toBe(`${signer.keyId}\n`);
      expect(stderr).toBe('');
      expect((await stat(join(cwd, 'k.pem'))).mode & 0o777).toBe(0o600);
      expect(await readdir(cwd)).toEqual(['k.pem']);
    },
  );

  it('prints one JSON object for machines', async () => {
    const { stdout } = await keyNew(['--type', 'ed25519', '--out', 'k.pem', '--json']);
    await using signer = await openSigner('file:k.pem', { cwd, env: {} });
    expect(JSON.parse(stdout)).toEqual({ keyId: signer.keyId, type: 'ed25519', file: 'k.pem' });
  });

  it('never overwrites, not even an empty file', async () => {
    await writeFile(join(cwd, 'k.pem'), '');
    await expect(keyNew(['--type', 'ed25519', '--out', 'k.pem'])).rejects.toMatchObject({
      code: 'signing/exists',
    });
    expect(await readFile(join(cwd, 'k.pem'), 'utf8')).toBe('');
  });

  it('gives the file to one of two that want it at the same time', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 4 }, () => keyNew(['--type', 'ed25519', '--out', 'k.pem'])),
    );
    const winners = results.filter(({ status }) => status === 'fulfilled');
    expect(winners).toHaveLength(1);
    await using signer = await openSigner('file:k.pem', { cwd, env: {} });
    expect(winners).toMatchObject([{ value: { stdout: `${signer.keyId}\n` } }]);
  });

  it('makes a missing folder, open to nobody else', async () => {
    await keyNew(['--type', 'ed25519', '--out', 'new/k.pem']);
    expect((await stat(join(cwd, 'new'))).mode & 0o777).toBe(0o700);
  });

  it('leaves nothing behind when a file stands in the way', async () => {
    await keyNew(['--type', 'ed25519', '--out', 'k.pem']);
    await expect(keyNew(['--type', 'ed25519', '--out', 'k.pem/k.pem'])).rejects.toMatchObject({
      code: 'signing/write',
    });
    expect(await readdir(cwd)).toEqual(['k.pem']);
  });

  it('encrypts when asked to, and refuses to without a passphrase', async () => {
    const args = ['--type', 'ed25519', '--encrypt', '--out', 'k.pem'];
    await expect(keyNew(args)).rejects.toMatchObject({ code: 'signing/passphrase' });
    await expect(keyNew(args, { TIDEGATE_PASSPHRASE: '' })).rejects.toMatchObject({
      code: 'signing/passphrase',
    });
    expect(await readdir(cwd)).toEqual([]);
    const env = { TIDEGATE_PASSPHRASE: 'secret words' };
    await keyNew(args, env);
    await expect(openSigner('file:k.pem', { cwd, env: {} })).rejects.toMatchObject({
      code: 'signing/passphrase',
    });
    await using signer = await openSigner('file:k.pem', { cwd, env });
    expect(signer.key.keytype).toBe('ed25519');
  });

  it.each([[['--type', 'dsa', '--out', 'k.pem']], [['--out', 'k.pem']], [['--type', 'rsa']]])(
    'is called wrongly with %p',
    async (args) => {
      await expect(keyNew(args)).rejects.toMatchObject({ exitCode: 1, name: 'CommanderError' });
      expect(await readdir(cwd)).toEqual([]);
    },
  );
});
