import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';

describe('tidegate --help', () => {
  it.each([
    ['key show'],
    ['key public'],
    ['publish'],
    ['repo init'],
    ['repo refresh'],
    ['repo rotate'],
    ['repo root propose'],
    ['repo root sign'],
    ['release amend'],
    ['rollout pause'],
    ['serve'],
  ])('of %s says how a key in a token, a service or a file is given', async (command) => {
    await using workplace = await makeWorkplace();
    const { code, stdout } = await workplace.run(...command.split(' '), '--help');
    expect(code).toBe(0);
    for (const scheme of ['file:', 'aws-kms:', 'pkcs11:']) {
      expect(stdout.split('A key is given as')[1]).toContain(scheme);
    }
  });

  it.each([['key new'], ['repo mirror'], ['repo verify']])(
    'of %s, which opens no key, does not',
    async (command) => {
      await using workplace = await makeWorkplace();
      const { stdout } = await workplace.run(...command.split(' '), '--help');
      expect(stdout).not.toContain('A key is given as');
    },
  );
});
