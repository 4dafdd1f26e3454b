import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { GptSlots } from '../../../agent/slots/gpt.ts';
import { SECTOR_SIZES } from '../../../core/gpt/header.ts';
import { CLEARED, nextToBoot, otherSide } from '../../../core/gpt/slot-bits.ts';
import { sampleGuid } from '../../support/gpt-samples.ts';
import { codeOf } from '../error-code.ts';
import { describeSlotsContract } from './contract.ts';
import { EMPTY, gptHost } from './gpt-host.ts';
import type { GptHost } from './gpt-host.ts';
import { fillInactive, install } from './install.ts';
import { sampleRelease } from './releases.ts';

const FIRST = sampleRelease('1.0.0');
const SECOND = sampleRelease('1.1.0');
const GOOD = { priority: 1, triesLeft: 0, successful: true };

describe.each(SECTOR_SIZES)('on sectors of %p bytes', (sectorSize) => {
  describeSlotsContract('GptSlots', async () => {
    const host = await gptHost({ sectorSize, partitionBytes: 9 * 1024 * 1024 });
    return {
      open: () => host.slots(),
      async damageInactive(image) {
        const { running } = await host.slots().status();
        const side = running === null ? 'a' : otherSide(running);
        const { at } = await host.placeOf(side, image === 'boot' ? 'boot' : 'root');
        await host.poke(at + 100, Buffer.from([0xff]));
      },
      async reboot() {
        await host.boot();
      },
      [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    };
  });
});

/** A host that runs 1.0.0 from A, marked good. */
async function setup(): Promise<GptHost> {
  const host = await gptHost();
  await install(host.slots(), FIRST);
  expect(await host.boot()).toBe('a');
  return host;
}

async function wholeDisk(host: GptHost): Promise<Buffer> {
  return readFile(host.options.disk);
}

describe('GptSlots', () => {
  it('sets the bits of an update one after the other, as Bottlerocket does', async () => {
    await using host = await setup();
    expect(await host.pair()).toEqual({ a: GOOD, b: CLEARED });
    await fillInactive(host.slots(), SECOND);
    expect(await host.pair()).toEqual({ a: GOOD, b: { ...CLEARED, triesLeft: 3 } });
    await host.slots().activate('1.1.0');
    expect((await host.pair()).b).toEqual({ priority: 2, triesLeft: 3, successful: false });
    expect(await host.slots().read()).toMatchObject({ nextToBoot: 'inactive' });
    expect(await host.boot()).toBe('b');
    await host.slots().markGood();
    expect(await host.pair()).toEqual({ a: GOOD, b: { ...GOOD, priority: 2 } });
    expect(await host.slots().status()).toMatchObject({
      ...{ running: 'b', hasEverSucceeded: true, releases: { a: '1.0.0', b: '1.1.0' } },
    });
  });

  it('writes images from the first byte of their partitions, and no byte elsewhere', async () => {
    await using host = await setup();
    const before = await wholeDisk(host);
    await fillInactive(host.slots(), SECOND);
    const after = await wholeDisk(host);
    for (const name of ['boot', 'root'] as const) {
      const { at, byteCount } = await host.placeOf('b', name);
      const image = SECOND.images[name] ?? Buffer.alloc(0);
      expect(Buffer.compare(after.subarray(at, at + image.length), image)).toBe(0);
      before.copy(after, at, at, at + image.length);
      expect(byteCount).toBeGreaterThan(image.length);
    }
    const first = await host.placeOf('a', 'boot');
    const last = await host.placeOf('b', 'hash');
    const end = last.at + last.byteCount;
    expect(Buffer.compare(after.subarray(first.at, end), before.subarray(first.at, end))).toBe(0);
    expect(Buffer.compare(after.subarray(0, 512), before.subarray(0, 512))).toBe(0);
  });

  it('refuses an image that is larger than its partition before the first byte', async () => {
    await using host = await setup();
    await host.slots().clearInactive();
    const before = await wholeDisk(host);
    const { byteCount } = await host.placeOf('b', 'hash');
    expect(await codeOf(host.slots().writeImage('hash', byteCount + 1))).toBe('agent/full');
    expect(Buffer.compare(await wholeDisk(host), before)).toBe(0);
    const writer = await host.slots().writeImage('hash', byteCount);
    await writer.abandon();
  });

  it('refuses an image for which a slot has no partition', async () => {
    await using host = await setup();
    await host.slots().clearInactive();
    expect(await codeOf(host.slots().writeImage('data', 1))).toBe('agent/slots');
  });

  it('falls back to the old release after so many boots that fail', async () => {
    await using host = await setup();
    await install(host.slots(), SECOND);
    expect([await host.boot(), await host.boot(), await host.boot()]).toEqual(['b', 'b', 'b']);
    expect(await host.boot()).toBe('a');
    expect((await host.slots().read()).active?.release.version).toBe('1.0.0');
  });

  it('does not activate again what did not come up, until somebody says so', async () => {
    await using host = await setup();
    await install(host.slots(), SECOND);
    for (let boots = 0; boots < 4; boots += 1) await host.boot();
    expect(await codeOf(host.slots().activate('1.1.0'))).toBe('agent/slots');
    await host.slots().cancel();
    await host.slots().activate('1.1.0');
    expect(await host.boot()).toBe('b');
  });

  it('takes an activation back before the reboot', async () => {
    await using host = await setup();
    await install(host.slots(), SECOND);
    await host.slots().cancel();
    expect(await host.slots().read()).toMatchObject({ nextToBoot: 'active' });
    expect(await host.boot()).toBe('a');
  });

  it('does not clear the old release while the new one is not found good', async () => {
    await using host = await setup();
    await install(host.slots(), SECOND);
    await host.boot();
    const before = await wholeDisk(host);
    expect(await codeOf(host.slots().clearInactive())).toBe('agent/slots');
    expect(Buffer.compare(await wholeDisk(host), before)).toBe(0);
    expect((await host.slots().read()).inactive?.release.version).toBe('1.0.0');
    await host.slots().markGood();
    await host.slots().clearInactive();
    expect((await host.slots().read()).inactive).toBeNull();
  });

  it('does not write a slot that would boot, sealed or not', async () => {
    await using host = await setup();
    await host.setPair({ a: GOOD, b: GOOD });
    expect(await codeOf(host.slots().writeImage('root', 1))).toBe('agent/slots');
  });

  it('rolls back only to what would boot', async () => {
    await using host = await setup();
    await host.slots().clearInactive();
    expect(await codeOf(host.slots().rollback())).toBe('agent/slots');
    await install(host.slots(), SECOND);
    await host.boot();
    await host.slots().rollback();
    expect(await host.boot()).toBe('a');
  });

  it.each([
    { case: 'lost', damage: (path: string) => rm(path) },
    { case: 'cut off', damage: (path: string) => truncate(path, 100) },
    { case: 'emptied', damage: (path: string) => truncate(path, 0) },
  ])('activates nothing whose record was $case, whatever its bits say', async ({ damage }) => {
    await using host = await setup();
    await fillInactive(host.slots(), SECOND);
    await damage(join(host.options.stateFolder, 'slots', `${sampleGuid(4)}.json`));
    expect((await host.slots().read()).inactive).toBeNull();
    expect(await codeOf(host.slots().activate('1.1.0'))).toBe('agent/slots');
    expect(nextToBoot(await host.pair())).toBe('a');
  });

  it('learns again what runs from a signed document, and from nothing that differs', async () => {
    await using host = await setup();
    await rm(host.options.stateFolder, { recursive: true });
    expect(await codeOf(host.slots().read())).toBe('agent/slots');
    expect(await codeOf(host.slots().adoptActive(SECOND.document))).toBe('agent/image');
    expect(await codeOf(host.slots().read())).toBe('agent/slots');
    await host.slots().adoptActive(FIRST.document);
    expect((await host.slots().read()).active?.release.version).toBe('1.0.0');
  });

  it('writes nothing while nobody can tell which slot runs', async () => {
    await using host = await setup();
    const before = await wholeDisk(host);
    await writeFile(host.options.kernelCommandLine, 'root=/dev/sda3');
    for (const work of [
      () => host.slots().clearInactive(),
      () => host.slots().markGood(),
      () => host.slots().cancel(),
      () => host.slots().adoptActive(FIRST.document),
    ]) {
      expect(await codeOf(work())).toBe('agent/slots');
    }
    await rm(host.options.kernelCommandLine);
    expect(await codeOf(host.slots().clearInactive())).toBe('agent/slots');
    expect(Buffer.compare(await wholeDisk(host), before)).toBe(0);
    // Unless the configuration says it.
    const told = new GptSlots({ ...host.options, active: 'a' });
    expect((await told.read()).active?.release.version).toBe('1.0.0');
  });

  it('marks nothing good on a host that runs from neither slot', async () => {
    await using host = await gptHost();
    expect(await codeOf(host.slots().markGood())).toBe('agent/slots');
    expect(await host.pair()).toEqual(EMPTY);
  });

  it('reports a disk that is not there, and one that is none', async () => {
    await using host = await gptHost();
    const missing = new GptSlots({ ...host.options, disk: join(host.folder, 'none') });
    expect(await codeOf(missing.read())).toBe('agent/disk');
    const folder = new GptSlots({ ...host.options, disk: host.folder });
    expect(await codeOf(folder.read())).toBe('agent/slots');
    const terminal = new GptSlots({ ...host.options, disk: '/dev/null' });
    expect(await codeOf(terminal.read())).toBe('agent/slots');
  });
});
