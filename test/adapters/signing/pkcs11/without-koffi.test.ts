import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { runTidegate } from '../../../support/tidegate-process.ts';

const HOOK = join(import.meta.dirname, '..', '..', '..', 'support', 'without-koffi.mjs');
const ANY_LIBRARY = process.execPath;

describe('tidegate without the optional package koffi', () => {
  it('says which package a key in a token needs', async () => {
    await using folder = await temporaryFolder();
    const source = `pkcs11:object=release?module-path=${encodeURIComponent(ANY_LIBRARY)}`;
    const ran = await runTidegate(folder.path, ['key', 'show', source], {
      nodeOptions: ['--import', HOOK],
    });
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr.split('\n')[0]).toBe('tidegate: error: pkcs11: keys need the package koffi');
    expect(ran.stderr).toContain('npm install koffi');
  });

  it('does everything else as ever', async () => {
    await using folder = await temporaryFolder();
    const ran = await runTidegate(folder.path, ['key', 'new', '--type', 'rsa', '--out', 'k.pem'], {
      nodeOptions: ['--import', HOOK],
    });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
  });
});
