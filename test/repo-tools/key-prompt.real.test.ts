import { spawnSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { openSigner } from '../../adapters/signing/open.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const TERMINAL = new URL('../support/answer-at-terminal.py', import.meta.url).pathname;
const TIDEGATE = new URL('../../bin/tidegate.ts', import.meta.url).pathname;
const MAKE_KEY = ['key', 'new', '--type', 'ed25519', '--encrypt', '--out', 'k.pem'];

function atTerminal(cwd: string, argv: readonly string[], answers: readonly string[]) {
  const { PATH } = process.env;
  const { status, stdout, stderr } = spawnSync(
    'python3',
    [TERMINAL, process.execPath, TIDEGATE, ...argv],
    { cwd, env: { PATH }, encoding: 'utf8', input: answers.join('\n') },
  );
  return { status, shown: stdout, stderr };
}

describe('a passphrase at a real terminal', () => {
  it('is asked twice, never shown, and encrypts the key', async () => {
    await using folder = await temporaryFolder();
    const { status, shown } = atTerminal(folder.path, MAKE_KEY, ['sesame', 'sesame']);
    expect({ status, shown }).toMatchObject({ status: 0, shown: expect.stringContaining('again') });
    expect(shown).not.toContain('sesame');
    const options = { cwd: folder.path, env: { TIDEGATE_PASSPHRASE: 'sesame' } };
    await using signer = await openSigner('file:k.pem', options);
    expect(shown).toContain(signer.keyId);
  });

  it('ends the command at Ctrl-C, with no key made', async () => {
    await using folder = await temporaryFolder();
    expect(atTerminal(folder.path, MAKE_KEY, ['half\u0003']).status).toBe(1);
    expect(await readdir(folder.path)).toEqual([]);
  });
});
