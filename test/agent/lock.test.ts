import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { asOnlyAgent } from '../../agent/lock.ts';

const folder = () => mkdtemp(join(tmpdir(), 'tidegate-lock-'));
const code = 'agent/locked';

describe('asOnlyAgent', () => {
  it('lets one in, and the next one after it', async () => {
    const at = await folder();
    await asOnlyAgent(at, () =>
      expect(asOnlyAgent(at, async () => 'two')).rejects.toMatchObject({ code }),
    );
    await expect(asOnlyAgent(at, async () => 'three')).resolves.toBe('three');
  });

  it('gives back what the work threw', async () => {
    const at = await folder();
    const broken = new Error('broken');
    await expect(asOnlyAgent(at, () => Promise.reject(broken))).rejects.toBe(broken);
  });

  it('is free again as soon as its holder was killed, with nothing to clean', async () => {
    const at = await folder();
    const module = new URL('../../agent/lock.ts', import.meta.url).href;
    const script = `
      const { asOnlyAgent } = await import(${JSON.stringify(module)});
      await asOnlyAgent(process.argv[1], async () => {
        console.log('held');
        // Work that something still refers to, as sockets and timers do.
        await new Promise((resolve) => setTimeout(resolve, 30_000));
      });
    `;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script, at], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    const second = await asOnlyAgent(at, async () => 'in').catch((error: unknown) => error);
    holder.kill('SIGKILL');
    await once(holder, 'close');
    expect(second).toMatchObject({ code });
    await asOnlyAgent(at, async () => {});
  });

  it('calls a state folder that cannot be made a failure of the disk', async () => {
    const file = join(await folder(), 'file');
    await writeFile(file, '');
    await expect(asOnlyAgent(join(file, 'state'), async () => 'in')).rejects.toMatchObject({
      code: 'agent/disk',
    });
  });

  it('is not kept away by what lies in the file', async () => {
    const at = await folder();
    await writeFile(join(at, 'lock'), 'garbage '.repeat(1000));
    await expect(asOnlyAgent(at, async () => 'in')).resolves.toBe('in');
  });
});
