import { open, readdir, readFile, rm } from 'node:fs/promises';
import { describe, expect, it } from '@jest/globals';
import { codeOf } from '../error-code.ts';
import { describeSlotsContract } from './contract.ts';
import { fillInactive, install } from './install.ts';
import { sampleRelease } from './releases.ts';
import { systemdBootHost } from './systemd-boot-host.ts';
import type { SystemdBootHost } from './systemd-boot-host.ts';

const FIRST = sampleRelease('1.0.0');
const SECOND = sampleRelease('1.1.0');

describeSlotsContract('CommandSlots with the example for systemd-boot', async () => {
  const host = await systemdBootHost();
  return {
    open: () => host.slots(),
    async damageInactive(image) {
      const path = host.pathOf(image, host.running() === 'a' ? 'b' : 'a');
      await using handle = await open(path, 'r+');
      await handle.write(Buffer.from([0xff]), 0, 1, 100);
    },
    async reboot() {
      await host.boot();
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
});

/** A host that runs 1.0.0 from A, found good, and boots 1.1.0 from B next. */
async function setup(): Promise<SystemdBootHost> {
  const host = await systemdBootHost();
  await install(host.slots(), FIRST);
  expect(await host.boot()).toBe('a');
  await install(host.slots(), SECOND);
  return host;
}

async function entriesOf(host: SystemdBootHost): Promise<readonly string[]> {
  return (await readdir(host.entries)).toSorted();
}

describe('the example for systemd-boot', () => {
  it('counts boots in the names of its entries, and takes the counter away when the boot was good', async () => {
    await using host = await setup();
    expect(await entriesOf(host)).toEqual(['tidegate-a.conf', 'tidegate-b+3.conf']);
    expect(await host.boot()).toBe('b');
    expect(await entriesOf(host)).toEqual(['tidegate-a.conf', 'tidegate-b+2-1.conf']);
    await host.slots().markGood();
    expect(await entriesOf(host)).toEqual(['tidegate-a.conf', 'tidegate-b.conf']);
    expect(await readFile(`${host.entries}/tidegate-b.conf`, 'utf8')).toBe(
      [
        'title Tidegate, slot b\n',
        'sort-key tidegate\n',
        'version 2\n',
        'efi /tidegate/b/boot.efi\n',
        'options root=PARTLABEL=root-b\n',
      ].join(''),
    );
  });

  it('falls back to the old release after three boots that fail, and says so', async () => {
    await using host = await setup();
    expect([await host.boot(), await host.boot(), await host.boot()]).toEqual(['b', 'b', 'b']);
    expect(await host.boot()).toBe('a');
    expect(await host.slots().read()).toMatchObject({
      nextToBoot: 'active',
      isTriedInVain: true,
    });
  });

  it('does not activate again what did not come up, until the old release was chosen on purpose', async () => {
    await using host = await setup();
    for (let boots = 0; boots < 4; boots += 1) await host.boot();
    expect(await codeOf(host.slots().activate('1.1.0'))).toBe('agent/slots');
    await host.slots().deactivate('1.0.0');
    expect(await entriesOf(host)).toEqual(['tidegate-a.conf', 'tidegate-b+0-3.conf.off']);
    expect((await host.slots().read()).isTriedInVain).toBe(false);
    await host.slots().activate('1.1.0');
    expect(await host.boot()).toBe('b');
  });

  it('hides an entry from systemd-boot when its activation is taken back', async () => {
    await using host = await setup();
    await host.slots().deactivate('1.0.0');
    expect(await entriesOf(host)).toEqual(['tidegate-a.conf', 'tidegate-b+3.conf.off']);
    expect(await host.boot()).toBe('a');
    expect((await host.slots().read()).inactive?.release.version).toBe('1.1.0');
  });

  it('goes back to a release that was good without a trial', async () => {
    await using host = await setup();
    await host.boot();
    await host.slots().markGood();
    await host.slots().deactivate('1.0.0');
    expect(await entriesOf(host)).toEqual(['tidegate-a.conf', 'tidegate-b.conf']);
    expect(await host.boot()).toBe('a');
  });

  it('does not clear the old release while the new one is not found good', async () => {
    await using host = await setup();
    await host.boot();
    expect(await codeOf(host.slots().clearInactive())).toBe('agent/slots');
    expect((await host.slots().read()).inactive?.release.version).toBe('1.0.0');
    await host.slots().markGood();
    await host.slots().clearInactive();
    expect((await host.slots().read()).inactive).toBeNull();
  });

  it('writes nothing on a host that boots a slot and was booted from elsewhere', async () => {
    await using host = await setup();
    await rm(`${host.folder}/efivars`, { recursive: true });
    for (const work of [
      () => host.slots().read(),
      () => host.slots().clearInactive(),
      () => host.slots().activate('1.1.0'),
      () => host.slots().markGood(),
    ]) {
      expect(await codeOf(work())).toBe('agent/slots');
    }
    expect(await entriesOf(host)).toEqual(['tidegate-a.conf', 'tidegate-b+3.conf']);
  });

  it('refuses an image that is larger than its partition before the first byte', async () => {
    await using host = await systemdBootHost({ partitionBytes: 64 * 1024 });
    await host.slots().clearInactive();
    const before = await readFile(host.pathOf('root', 'a'));
    const writer = await host.slots().writeImage('root', 64 * 1024 + 1);
    const writing = async () => {
      await writer.write(Buffer.alloc(64 * 1024 + 1, 1));
      await writer.finish();
    };
    expect(await codeOf(writing())).toBe('agent/full');
    expect(await readFile(host.pathOf('root', 'a'))).toEqual(before);
  });

  it('refuses an image for which there is no partition', async () => {
    await using host = await systemdBootHost();
    await host.slots().clearInactive();
    const writer = await host.slots().writeImage('data', 1);
    const writing = async () => {
      await writer.write(Buffer.from('x'));
      await writer.finish();
    };
    expect(await codeOf(writing())).toBe('agent/slots');
  });

  it('learns what runs from a signed document, and from nothing that differs', async () => {
    await using host = await setup();
    await host.boot();
    await host.slots().markGood();
    await rm(`${host.folder}/esp/tidegate/b/seal`);
    expect(await codeOf(host.slots().read())).toBe('agent/slots');
    expect(await codeOf(host.slots().adoptActive(FIRST.document))).toBe('agent/image');
    expect(await codeOf(host.slots().read())).toBe('agent/slots');
    await host.slots().adoptActive(SECOND.document);
    expect((await host.slots().read()).active?.release.version).toBe('1.1.0');
  });

  it('takes a slot whose seal is no signed document for unsealed, and clears it', async () => {
    await using host = await setup();
    const seal = `${host.folder}/esp/tidegate/b/seal`;
    await rm(seal);
    await using handle = await open(seal, 'w');
    await handle.writeFile('{}');
    expect((await host.slots().read()).inactive).toBeNull();
    expect(await codeOf(host.slots().activate('1.1.0'))).toBe('agent/slots');
    await fillInactive(host.slots(), SECOND);
    expect((await host.slots().read()).inactive?.release.version).toBe('1.1.0');
  });
});
