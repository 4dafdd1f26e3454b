import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';

const MAIN = join(import.meta.dirname, '..', '..', 'bin', 'tidegate.ts');

/** Runs the command; whoever read this stream is gone before it writes, as behind `| head -1`. */
async function runUnread(stream: 'stdout' | 'stderr', ...argv: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  child[stream].destroy();
  const other = stream === 'stdout' ? child.stderr : child.stdout;
  const [said, [code]] = await Promise.all([text(other), once(child, 'close')]);
  return { said, code };
}

describe('tidegate', () => {
  it('ends quietly when nobody reads its results any more', async () => {
    expect(await runUnread('stdout', '--help')).toEqual({ said: '', code: 0 });
    expect(await runUnread('stdout', 'repo', 'init', '--help')).toEqual({ said: '', code: 0 });
  });

  it('keeps its exit code when nobody reads its errors any more', async () => {
    expect(await runUnread('stderr', 'repo', 'no-such-command')).toEqual({
      said: '',
      code: 2,
    });
  });
});
