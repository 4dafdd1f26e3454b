import { appendFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findObject } from '../../adapters/repository/objects.ts';
import { provision } from '../../agent/provision.ts';
import { runVerb } from '../../agent/verbs.ts';
import { pack } from '../agent/image-download.ts';
import { hostWorld, sendTo } from '../support/host-world.ts';
import type { HostWorld, Tamper } from '../support/host-world.ts';
import { noise } from '../support/noise.ts';
import { HOUR_MS } from '../support/rollouts.ts';
import { once, updatingHost } from '../support/updating-host.ts';

const IMAGE = '1.1.0-hash';

const INFLATED_BYTES = 64 * 1024 * 1024;

/** A frame that inflates more than a hundredfold, and an image that does not compress and is stored in just as many bytes. */
function bombOf(format: 'lz4' | 'zstd') {
  const bomb = pack(format, Buffer.alloc(INFLATED_BYTES));
  for (let size = bomb.length; size > 0; size -= 1) {
    const raw = noise(size);
    const stored = pack(format, raw);
    if (stored.length === bomb.length) return { bomb, raw, stored };
  }
  throw new Error(`no image is stored in ${bomb.length} bytes`);
}

async function bytesInSlots(world: HostWorld): Promise<number> {
  const folder = join(world.folder, 'slots');
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = files
    .filter((entry) => entry.isFile())
    .map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Never installed, and repaired as soon as the mirror is honest and the wait is over. */
async function expectRepelled(world: HostWorld, tamper: Tamper): Promise<string> {
  world.tamper = tamper;
  const result = await once(world);
  expect(result.result).toBe('failed');
  await expect(world.activeVersion()).resolves.toBe('1.0.0');
  expect((await (await world.agent()).slots.read()).inactive).toBeNull();
  world.tamper = () => null;
  world.now = new Date(world.now.getTime() + HOUR_MS);
  await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
  return result.reason ?? '';
}

describe('a hostile mirror', () => {
  it.each([
    {
      case: 'other bytes of the same length',
      body: 'HASH of aws-k8s-1.32 1.1.0',
      code: 'agent/image',
    },
    { case: 'a shorter image', body: 'hash of', code: 'agent/unreachable' },
    {
      case: 'a longer image',
      body: 'hash of aws-k8s-1.32 1.1.0 and more',
      code: 'agent/unreachable',
    },
    {
      case: 'the image of the release before',
      body: 'hash of aws-k8s-1.32 1.0.0',
      code: 'agent/image',
    },
  ])('does not get $case installed', async ({ body, code }) => {
    await using world = await updatingHost();
    const reason = await expectRepelled(world, (path) =>
      path.endsWith(IMAGE) ? { status: 200, body } : null,
    );
    expect(reason).toContain(code);
  });

  it('cannot poison the part of an image that comes before the line breaks', async () => {
    await using world = await updatingHost();
    let isFirst = true;
    world.tamper = (path, response) => {
      if (!path.endsWith(IMAGE) || !isFirst) return null;
      isFirst = false;
      response.writeHead(200, { 'content-length': 26 });
      response.write('poison', () => response.destroy());
      return 'handled';
    };
    await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
  });

  it.each(['metadata', 'targets'])(
    'of %s that is asked first cannot keep a host from an honest one',
    async (what) => {
      await using world = await updatingHost();
      const urls = (place: string) =>
        `metadata-url = '${world.url}/${place}/metadata/', targets-url = '${world.url}/${place}/targets/'`;
      const config = await readFile(world.configFile, 'utf8');
      const first = urls('liar').replace(', ', '\n');
      await writeFile(
        world.configFile,
        config.replace("root = '", `${first}\nmirrors = [{ ${urls('repo')} }]\nroot = '`),
      );
      world.tamper = async (path) => {
        if (!path.startsWith('/liar/')) return null;
        if (path.startsWith(`/liar/${what}/`)) return { status: 200, body: '{"signed":{}}' };
        const found = await findObject(world.storage, path.replace('/liar/', ''), 1 << 20);
        return found === null ? { status: 404 } : { status: 200, body: found.bytes };
      };
      await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
      await expect(world.activeVersion()).resolves.toBe('1.1.0');
      expect(world.events).toContainEqual(expect.objectContaining({ event: 'repository-failed' }));
    },
  );

  it('does not fill the disk with an endless image', async () => {
    await using world = await updatingHost();
    let written = 0;
    await expectRepelled(world, (path, response) => {
      if (!path.endsWith(IMAGE)) return null;
      const chunk = Buffer.alloc(1 << 16);
      const flood = setInterval(() => {
        written += chunk.length;
        response.write(chunk);
      }, 1);
      response.on('close', () => {
        clearInterval(flood);
      });
      return 'handled';
    });
    expect(written).toBeLessThan(64 << 20);
  });

  it.each(['lz4', 'zstd'] as const)('does not get a bomb of %s inflated', async (format) => {
    await using world = await updatingHost();
    const { bomb, raw, stored } = bombOf(format);
    await world.publish('1.2.0', { root: { raw, format, stored } });
    await world.start('1.2.0');
    world.answer = sendTo('1.2.0');
    const reason = await expectRepelled(world, (path) =>
      /1\.2\.0-root\.(?:lz4|zst)$/.test(path) ? { status: 200, body: bomb } : null,
    );
    expect(reason).toMatch(/^agent\/image: .*more than \d+ raw bytes/);
    await expect(world.activeVersion()).resolves.toBe('1.2.0');
  });

  it.each(['lz4', 'zstd'] as const)(
    'does not get a bomb of %s inflated that a release key signed',
    async (format) => {
      await using world = await updatingHost();
      const { bomb, raw } = bombOf(format);
      await world.publish('1.2.0', { root: { raw, format, stored: bomb } });
      await world.start('1.2.0');
      world.answer = sendTo('1.2.0');
      const { result, reason } = await once(world);
      expect(result).toBe('failed');
      expect(reason).toMatch(/^agent\/image: .*more than \d+ raw bytes/);
      expect(await bytesInSlots(world)).toBeLessThan(INFLATED_BYTES / 50);
      await expect(world.activeVersion()).resolves.toBe('1.0.0');
    },
  );

  it('gets nothing activated but what was read back (TOCTOU): what was changed since is fetched anew, and verified anew', async () => {
    await using world = await updatingHost();
    await appendFile(world.configFile, "[update]\nautomatic = 'check'\n");
    await runVerb(await world.agent(), 'check');
    await expect(runVerb(await world.agent(), 'prepare')).resolves.toMatchObject({
      state: 'staged',
    });
    const image = join(world.folder, 'slots', 'b', 'hash');
    const honest = await readFile(image);
    const other = flipped(honest);
    await writeFile(image, other);
    world.tamper = (path) => (path.endsWith(IMAGE) ? { status: 200, body: other } : null);
    await expect(runVerb(await world.agent(), 'apply')).rejects.toMatchObject({
      ...{ code: 'agent/not-done', message: expect.stringContaining('agent/image') },
    });
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
    world.tamper = () => null;
    world.now = new Date(world.now.getTime() + HOUR_MS);
    for (const verb of ['check', 'prepare', 'apply'] as const) {
      await runVerb(await world.agent(), verb);
    }
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
    await expect(readFile(image)).resolves.toEqual(honest);
  });

  it('cannot replay the timestamp of yesterday', async () => {
    await using world = await updatingHost();
    const { body } = await world.storage.get('metadata/timestamp.json');
    const old = Buffer.concat(await Array.fromAsync(body));
    await world.publish('1.2.0');
    await world.start('1.2.0');
    world.answer = sendTo('1.2.0');
    world.tamper = (path) => (path.endsWith('1.2.0-release.json') ? { status: 404 } : null);
    await once(world);
    world.now = new Date(world.now.getTime() + HOUR_MS);
    world.tamper = (path) => (path.endsWith('timestamp.json') ? { status: 200, body: old } : null);
    const replayed = await once(world);
    expect(replayed.result).toBe('failed');
    expect(replayed.reason).toContain('agent/rollback');
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });

  it('cannot freeze a host behind a timestamp that has expired', async () => {
    await using world = await updatingHost();
    world.now = new Date(world.now.getTime() + 400 * 24 * HOUR_MS);
    const frozen = await once(world);
    expect(frozen.reason).toContain('agent/expired');
    await expect(world.activeVersion()).resolves.toBe('1.0.0');
  });
});

describe("damage in the agent's own folder", () => {
  it('of any one file neither stops the agent nor lets it go where it may not', async () => {
    await using world = await hostWorld({ isStatic: true });
    await provision(await world.agent(), '1.0.0');
    await world.start('1.1.0');
    await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
    const state = join(world.folder, 'state');
    const files = (await readdir(state, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('scratch'))
      .map((entry) => join(entry.parentPath, entry.name));
    expect(files.length).toBeGreaterThanOrEqual(4);
    for (const file of files) {
      const whole = await readFile(file);
      for (const torn of [Buffer.alloc(0), whole.subarray(0, whole.length / 2), flipped(whole)]) {
        await writeFile(file, torn);
        await expect(once(world)).resolves.toMatchObject({ result: 'stayed', from: '1.1.0' });
      }
    }
    await expect(world.activeVersion()).resolves.toBe('1.1.0');
    expect(world.events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['journal-damaged', 'trusted-metadata-damaged']),
    );
    await world.publish('1.2.0');
    await world.start('1.2.0');
    await expect(once(world)).resolves.toMatchObject({ result: 'updated', to: '1.2.0' });
  });
});

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const middle = Math.floor(copy.length / 2);
  copy.writeUInt8((copy[middle] ?? 0) ^ 1, middle);
  return copy;
}
