import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { AgentError } from '../../agent/errors.ts';
import { fillInactiveSlot } from '../../agent/install.ts';
import { Network } from '../../agent/network/network.ts';
import { PLAIN_NETWORK } from '../../agent/network/settings.ts';
import { GptSlots } from '../../agent/slots/gpt.ts';
import type { SealedSlot, Slots } from '../../agent/slots/slots.ts';
import type { VerifiedRepository } from '../../agent/tuf/client.ts';
import { parseRelease } from '../../core/release.ts';
import { codeOf } from './error-code.ts';
import { serve } from './loopback-server.ts';
import { gptHost } from './slots/gpt-host.ts';
import type { GptHost } from './slots/gpt-host.ts';
import { fillInactive, install } from './slots/install.ts';
import { releaseOf, sampleRelease } from './slots/releases.ts';
import type { SampleRelease } from './slots/releases.ts';
import { systemdBootHost } from './slots/systemd-boot-host.ts';

const OLD = sampleRelease('1.0.0');
const HELD = sampleRelease('1.1.0');
const KIB = 1024;

/** Brings a release into the slots over loopback, and says what happened besides. */
async function fill(slots: Slots, { version, images, document }: SampleRelease) {
  const events: string[] = [];
  const files = new Map(
    Object.entries(images).map(([image, bytes]) => [`test-x86_64-${version}-${image}`, bytes]),
  );
  await using server = await serve((request, response) => {
    response.end(files.get((request.url ?? '').slice(1)));
  });
  const repository: VerifiedRepository = {
    damaged: [],
    readTarget: async () => document,
    publishedVersions: async () => [version],
    async targetInfo(name) {
      const bytes = files.get(name) ?? Buffer.alloc(0);
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return { url: `${server.url}${name}`, length: bytes.length, sha256 };
    },
  };
  const context = {
    ...{ slots, network: new Network(PLAIN_NETWORK, {}) },
    onEvent: (event: string) => events.push(event),
  };
  const work = fillInactiveSlot(context, repository, { release: parseRelease(document), document });
  return { code: await codeOf(work), requests: server.requests.length, events };
}

/** A host that runs 1.0.0 and could go to 1.1.0 without a network. */
async function setup(): Promise<GptHost> {
  const host = await gptHost({ partitionBytes: 128 * KIB });
  await install(host.slots(), OLD);
  await host.boot();
  await fillInactive(host.slots(), HELD);
  return host;
}

async function heldBy(slots: Slots): Promise<string | null> {
  return (await slots.read()).inactive?.release.version ?? null;
}

describe('fillInactiveSlot', () => {
  it.each([
    {
      case: 'is larger than its partition, though not than all of them',
      images: { boot: Buffer.from('boot'), root: Buffer.alloc(129 * KIB, 'x') },
    },
    {
      case: 'has no partition',
      images: { boot: Buffer.from('boot'), root: Buffer.from('root'), data: Buffer.from('x') },
    },
  ])('keeps what a gpt slot holds when an image $case', async ({ images }) => {
    await using host = await setup();
    await expect(fill(host.slots(), releaseOf('1.2.0', images))).resolves.toEqual({
      ...{ code: 'agent/full', requests: 0, events: [] },
    });
    expect(await heldBy(host.slots())).toBe('1.1.0');
    await host.slots().activate('1.1.0');
    expect(await host.boot()).toBe('b');
  });

  it.each([
    {
      case: 'is larger than its partition, though not than the room',
      images: { boot: Buffer.from('boot'), root: Buffer.alloc(65 * KIB, 'x') },
    },
    {
      case: 'has no partition',
      images: { boot: Buffer.from('boot'), root: Buffer.from('root'), data: Buffer.from('x') },
    },
  ])('keeps what the slot of a program holds when an image $case', async ({ images }) => {
    await using host = await systemdBootHost({ partitionBytes: 64 * KIB });
    const small = (version: string) => sampleRelease(version, 60 * KIB);
    await install(host.slots(), small('1.0.0'));
    await host.boot();
    await fillInactive(host.slots(), small('1.1.0'));
    await expect(fill(host.slots(), releaseOf('1.2.0', images))).resolves.toEqual({
      ...{ code: 'agent/full', requests: 0, events: [] },
    });
    expect(await heldBy(host.slots())).toBe('1.1.0');
  });

  it('fills a slot anew of which a sector cannot be read any more', async () => {
    await using host = await setup();
    class WornSlots extends GptSlots {
      override verifyInactive(): Promise<SealedSlot> {
        return Promise.reject(new AgentError('agent/disk', 'reading the disk failed: EIO'));
      }
    }
    await expect(fill(new WornSlots(host.options), HELD)).resolves.toEqual({
      ...{ code: 'no error', requests: 2, events: ['slot-damaged'] },
    });
    expect(await heldBy(host.slots())).toBe('1.1.0');
  });

  it('ends when a disk cannot be written', async () => {
    await using host = await setup();
    class WornSlots extends GptSlots {
      override verifyInactive(): Promise<SealedSlot> {
        return Promise.reject(new AgentError('agent/disk', 'reading the disk failed: EIO'));
      }
      override clearInactive(): Promise<void> {
        return Promise.reject(new AgentError('agent/disk', 'writing the disk failed: EIO'));
      }
    }
    await expect(fill(new WornSlots(host.options), HELD)).resolves.toMatchObject({
      ...{ code: 'agent/disk', requests: 0 },
    });
  });
});
