import { PassThrough } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { terminalSecrets } from '../../../adapters/terminal/ask-secret.ts';

function setup({ isTTY = true, signal = new AbortController().signal } = {}) {
  const raw: boolean[] = [];
  const shown: string[] = [];
  const stdin = Object.assign(new PassThrough(), {
    isTTY,
    setRawMode: (on: boolean) => raw.push(on),
  });
  const stderr = { isTTY: true, write: (text: string) => shown.push(text) };
  return { stdin, raw, shown, askSecret: terminalSecrets({ stdin, stderr, signal }) };
}

describe('terminalSecrets', () => {
  it('asks nobody when standard input is no terminal', () => {
    expect(setup({ isTTY: false }).askSecret).toBeUndefined();
  });

  it.each([
    ['a line', 'secret\r', 'secret'],
    ['a character taken back', 'secrex\u007ft\r', 'secret'],
    ['a line begun again', 'wrong\u0015secret\n', 'secret'],
    ['an empty line', '\r', ''],
  ])('takes %s, shows none of it, and gives the echo back', async (_, typed, answer) => {
    const { stdin, raw, shown, askSecret } = setup();
    const asked = askSecret?.('PIN');
    stdin.write(typed);
    expect(await asked).toBe(answer);
    expect(shown.join('')).toBe('PIN: \n');
    expect(raw).toEqual([true, false]);
  });

  it('answers the next question with what was pasted ahead', async () => {
    const { stdin, askSecret } = setup();
    const first = askSecret?.('one');
    stdin.write('first\rsecond\r');
    expect(await first).toBe('first');
    expect(await askSecret?.('two')).toBe('second');
  });

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('gives up at %s and gives the echo back', async (_, typed) => {
    const { stdin, raw, askSecret } = setup();
    const asked = askSecret?.('PIN');
    stdin.write(`half an answer${typed}`);
    await expect(asked).rejects.toMatchObject({ code: 'ask/refused' });
    expect(raw).toEqual([true, false]);
  });

  it('gives up when the input ends', async () => {
    const { stdin, askSecret } = setup();
    const asked = askSecret?.('PIN');
    stdin.end('half');
    await expect(asked).rejects.toMatchObject({ code: 'ask/refused' });
  });

  it('gives up when the process is asked to stop', async () => {
    const stop = new AbortController();
    const { raw, askSecret } = setup({ signal: stop.signal });
    const asked = askSecret?.('PIN');
    stop.abort();
    await expect(asked).rejects.toMatchObject({ code: 'ask/refused' });
    expect(raw).toEqual([true, false]);
  });
});
