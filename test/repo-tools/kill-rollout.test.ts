import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { killEverywhere, standStill } from '../support/kill-everywhere.ts';
import { makeMemoryPlace } from '../support/memory-place.ts';
import type { MemoryPlace, Objects } from '../support/memory-place.ts';
import { initRepository, ONLINE, PLATFORM, publishVersion } from '../support/small-repository.ts';

const ON_STORAGE = ['--storage', 'file:R', ...ONLINE] as const;
const WAVES = `
[[waves]]
start_after = '1 hour'
fleet_percentage = 50
[[waves]]
start_after = '1 day'
fleet_percentage = 100
`;
/** The document of the role, the role, the snapshot and the timestamp. */
const CHANGES = 4;

let place: MemoryPlace;
let base: Objects;

beforeAll(async () => {
  place = await makeMemoryPlace();
  standStill(place.workplace.now);
  await writeFile(join(place.workplace.folder, 'waves.toml'), WAVES);
  await initRepository(place.workplace);
  await publishVersion(place.workplace, '1.0.0');
  await publishVersion(place.workplace, '1.1.0', '--rollback-to', '1.0.0');
  base = await place.objects('file:R');
});

afterAll(() => place[Symbol.asyncDispose]());

function start(): Promise<string> {
  return place.workplace.must(
    ...['rollout', 'start', ...ON_STORAGE, ...PLATFORM, '--version', '1.1.0'],
    ...['--policy', 'waves.toml'],
  );
}

describe('a rollout verb on the repository that is killed at any put', () => {
  it('start with a request id names the same rollout again', async () => {
    place.reset('file:R', base);
    const argv = [
      ...['rollout', 'start', ...ON_STORAGE, ...PLATFORM, '--version', '1.1.0'],
      ...['--request-id', 'the-one-start'],
    ];
    expect(await place.workplace.must(...argv)).toBe(await place.workplace.must(...argv));
    await killEverywhere(place, { argv });
  });

  it.each(['short', 'a b c d e f', 'x'.repeat(65)])('refuses the request id %j', async (id) => {
    place.reset('file:R', base);
    const rollout = await start();
    const argv = ['rollout', 'advance', rollout, ...ON_STORAGE, '--request-id', id];
    expect((await place.workplace.run(...argv)).code).toBe(2);
  });

  it('start gives the release once', async () => {
    place.reset('file:R', base);
    const killed = await killEverywhere(place, {
      argv: ['rollout', 'start', ...ON_STORAGE, ...PLATFORM, '--version', '1.1.0'],
    });
    expect(killed.changes).toHaveLength(CHANGES);
  });

  it.each([
    { verb: 'pause', earlier: [], more: ['--yes'] },
    { verb: 'resume', earlier: ['pause'], more: [] },
    // Without its id, a second one would be another step.
    { verb: 'advance', earlier: [], more: ['--request-id', 'step-one'] },
    { verb: 'withdraw', earlier: [], more: ['--yes'] },
    { verb: 'rollback', earlier: [], more: ['--to', '1.0.0', '--yes'] },
  ])('$verb takes effect once', async ({ verb, earlier, more }) => {
    place.reset('file:R', base);
    const id = await start();
    const argv = (name: string) => ['rollout', name, id, '--reason', 'r', ...ON_STORAGE];
    for (const name of earlier) await place.workplace.must(...argv(name), '--yes');
    const killed = await killEverywhere(place, { argv: [...argv(verb), ...more] });
    expect(killed.changes).toHaveLength(CHANGES);
  });
});
