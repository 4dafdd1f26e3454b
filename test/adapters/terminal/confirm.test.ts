import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { terminalConfirm } from '../../../adapters/terminal/confirm.ts';

function setup({ isTTY = true } = {}) {
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const shown: string[] = [];
  const stop = new AbortController();
  const stderr = { isTTY: true, write: (text: string) => shown.push(text) };
  const confirm = terminalConfirm({ stdin, stderr, signal: stop.signal });
  return { stdin, shown, stop, confirm };
}

describe('a question at the terminal', () => {
  it.each([
    { typed: 'y\n', isYes: true },
    { typed: 'YES\n', isYes: true },
    { typed: ' yes \n', isYes: true },
    { typed: '\n', isYes: false },
    { typed: 'n\n', isYes: false },
    { typed: 'yesterday\n', isYes: false },
  ])('takes $typed as $isYes', async ({ typed, isYes }) => {
    const { stdin, shown, confirm } = setup();
    const answer = confirm?.('pause it?');
    stdin.write(typed);
    expect(await answer).toBe(isYes);
    expect(shown).toEqual(['pause it? [y/N] ']);
  });

  it('takes the end of input as a no', async () => {
    const { stdin, confirm } = setup();
    const answer = confirm?.('pause it?');
    stdin.end();
    expect(await answer).toBe(false);
  });

  it('takes a stop of the process as a no', async () => {
    const { stop, confirm } = setup();
    const answer = confirm?.('pause it?');
    stop.abort();
    expect(await answer).toBe(false);
  });

  it('is never asked where nobody sits', () => {
    expect(setup({ isTTY: false }).confirm).toBeUndefined();
  });
});
