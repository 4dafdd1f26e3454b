import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';

const run = promisify(execFile);

async function scriptFor(shell: string): Promise<string> {
  await using workplace = await makeWorkplace();
  return workplace.must('completion', shell);
}

/** What bash offers for these words; the last one is being typed. */
async function offersOf(script: string, words: readonly string[]): Promise<readonly string[]> {
  const ask =
    'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tidegate; printf "%s\\n" "${COMPREPLY[@]}"';
  const { stdout } = await run('bash', ['-c', `${script}\n${ask}`, 'bash', ...words]);
  return stdout.split('\n').filter((line) => line !== '');
}

describe('tidegate completion bash', () => {
  it.each([
    { words: ['rol'], offers: ['rollout'] },
    { words: ['rollout', 'pa'], offers: ['pause'] },
    { words: ['rollout', 'pause', 'id', '--rea'], offers: ['--reason'] },
    { words: ['rollout', 'pause', '--reason', 'pause', '--ye'], offers: ['--yes'] },
    { words: ['rollout', 'pause', '--reason', ''], offers: [] },
    { words: ['rollout', 'pause', ''], offers: [] },
    { words: ['repo', 'root', 'si'], offers: ['sign'] },
    { words: ['host', ''], offers: ['list', 'show'] },
    { words: ['completion', 'x'], offers: [] },
    { words: ['$(touch /tmp/never)', 'pa'], offers: [] },
  ])('offers $offers after $words', async ({ words, offers }) => {
    const script = await scriptFor('bash');
    expect(await offersOf(script, ['tidegate', ...words])).toEqual(offers);
  });
});

describe('tidegate completion', () => {
  it.each(['bash', 'zsh', 'fish'])('knows every command and option in %s', async (shell) => {
    const script = await scriptFor(shell);
    for (const path of ['rollout watch', 'repo root propose', 'host list', 'agent once']) {
      expect(script).toMatch(new RegExp(`['"]${path}['"]`));
    }
    expect(script).toMatch(/-?-?id-prefix/);
  });

  it('ends no quotation of a script by a description', async () => {
    for (const shell of ['zsh', 'fish']) {
      const script = await scriptFor(shell);
      for (const line of script.split('\n').filter((one) => !one.startsWith('#'))) {
        expect([line, line.split("'").length % 2]).toEqual([line, 1]);
      }
    }
  });

  it('refuses another shell as a wrong call', async () => {
    await using workplace = await makeWorkplace();
    expect((await workplace.run('completion', 'csh')).code).toBe(2);
  });
});
