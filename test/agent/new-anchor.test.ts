import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { refreshRepository } from '../../agent/tuf/client.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { initRepository } from '../support/small-repository.ts';

/** An old repository R, whose versions have gone on, and a host that knows it. */
async function setup(): Promise<Workplace> {
  const workplace = await makeWorkplace();
  await initRepository(workplace);
  for (let count = 0; count < 3; count += 1) {
    await workplace.must('repo', 'refresh', 'file:R', '--key', 'file:K/online.pem');
  }
  await refresh(workplace, 'R');
  return workplace;
}

/** Another repository N, with new keys but for these. */
async function initNew(workplace: Workplace, online: string): Promise<void> {
  for (const name of ['root3', 'targets2', 'online2']) {
    await workplace.must('key', 'new', '--type', 'ed25519', '--out', `K/${name}.pem`);
  }
  await workplace.must(
    ...['repo', 'init', 'file:N', '--root-key', 'file:K/root3.pem', '--root-threshold', '1'],
    ...['--targets-key', 'file:K/targets2.pem', '--online-key', `file:K/${online}.pem`],
    ...['--release-key', 'aws-k8s-1.32:x86_64=file:K/release.pem'],
  );
}

/** The host's agent looks at the repository, with that one's first root for its anchor and the memory that it has. */
async function refresh({ folder, now }: Workplace, repository: string) {
  const url = `${pathToFileURL(join(folder, repository)).href}/`;
  return refreshRepository({
    metadataUrl: `${url}metadata/`,
    targetsUrl: `${url}targets/`,
    trustAnchor: join(folder, repository, 'metadata/1.root.json'),
    folder: join(folder, 'host'),
    now: () => now,
    signal: new AbortController().signal,
  });
}

describe('a host whose image brings the anchor of another repository', () => {
  it('follows it, and forgets the versions of the old one', async () => {
    await using workplace = await setup();
    await initNew(workplace, 'online2');
    const repository = await refresh(workplace, 'N');
    expect(await repository.readTarget('manifest.json')).not.toHaveLength(0);
  });

  it('holds it for gone back if the old online key signs there too', async () => {
    await using workplace = await setup();
    await initNew(workplace, 'online');
    await expect(refresh(workplace, 'N')).rejects.toMatchObject({ code: 'agent/rollback' });
  });
});
