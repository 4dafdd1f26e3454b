import { describe, expect, it } from '@jest/globals';
import { refreshRepository } from '../../agent/tuf/client.ts';
import { hostWorld } from '../support/host-world.ts';
import { tufOptionsOf } from '../support/tuf-options.ts';
import { endless, once, updatingHost } from '../support/updating-host.ts';

const DOCUMENT = 'aws-k8s-1.32-x86_64-1.1.0-release.json';
const IMAGE = '1.1.0-hash';
/** Longer than the document that was asked for. */
const PAGE = '<p>This service is busy.</p>'.repeat(1000);

describe('an answer that is something else than the file', () => {
  it.each([
    ...[401, 403, 404, 407, 410, 451].flatMap((status) =>
      [IMAGE, DOCUMENT].map((what) => ({ status, what, is: String(status) })),
    ),
    { status: 200, what: IMAGE, is: 'must have 26 bytes, answered with 28000' },
  ])('$status for $what is no failure of the release', async ({ status, what, is }) => {
    await using world = await updatingHost();
    world.tamper = (path) => (path.endsWith(what) ? { status, body: PAGE } : null);
    await expect(once(world)).resolves.toMatchObject({
      ...{ result: 'failed', to: '1.1.0' },
      reason: expect.stringMatching(new RegExp(`^agent/unreachable: .*(?:${is}|not there)`)),
    });
    const { journal, reports } = await world.agent();
    expect((await journal.read()).state.failures).toEqual([]);
    await expect(reports.pending()).resolves.toEqual([]);
    expect(world.checkIns.flatMap((checkIn) => checkIn.reports ?? [])).toEqual([]);
    // No backoff holds it: as soon as the network does its part the host goes on.
    world.tamper = () => null;
    await expect(once(world)).resolves.toMatchObject({ result: 'updated' });
  });

  it('is waited out as it asks, however long the page that comes with it', async () => {
    await using world = await hostWorld();
    const waits: number[] = [];
    const options = tufOptionsOf(world, { pause: async (ms) => waits.push(ms) });
    const repository = await refreshRepository(options);
    let failures = 2;
    world.tamper = (path, response) => {
      if (!path.endsWith(DOCUMENT) || failures === 0) return null;
      failures -= 1;
      response.setHeader('retry-after', '7');
      return { status: 503, body: PAGE };
    };
    await expect(repository.readTarget(DOCUMENT)).resolves.toBeInstanceOf(Uint8Array);
    expect(waits).toHaveLength(2);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(7000);
  });

  it('is not read for ever', async () => {
    await using world = await hostWorld();
    const repository = await refreshRepository(tufOptionsOf(world, { pause: async () => {} }));
    const page = endless(DOCUMENT, 503);
    world.tamper = page.tamper;
    await expect(repository.readTarget(DOCUMENT)).rejects.toMatchObject({
      code: 'agent/unreachable',
    });
    expect(page.sent).toBeLessThan(64 << 20);
  });

  it('of a server with a long page is a server that is away', async () => {
    await using world = await updatingHost({ fallback: 'static' });
    world.tamper = (path, response) => {
      if (!path.endsWith('check-in')) return null;
      response.setHeader('retry-after', '60');
      return { status: 503, body: PAGE.repeat(10) };
    };
    await expect(once(world)).resolves.toMatchObject({
      ...{ result: 'updated', to: '1.1.0', retryAfterSeconds: 60 },
    });
  });
});
