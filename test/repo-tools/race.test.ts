import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { runTidegate } from '../support/tidegate-process.ts';

const VARIANTS = Array.from({ length: 8 }, (_, index) => `variant-${index}`);

async function setup(workplace: Workplace): Promise<void> {
  await workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/all.pem');
  await workplace.must(
    ...['repo', 'init', 'file:R', '--single-key', 'file:K/all.pem'],
    ...VARIANTS.flatMap((variant) => ['--release-key', `${variant}:x86_64=file:K/all.pem`]),
  );
  await writeFile(join(workplace.folder, 'r.img'), 'root image');
}

describe('eight publishers of eight variants at the same time, each a process of its own', () => {
  it('all land in one folder', async () => {
    await using workplace = await makeWorkplace();
    workplace.now = new Date();
    await setup(workplace);
    const published = await Promise.all(
      VARIANTS.map((variant) =>
        runTidegate(workplace.folder, [
          ...['publish', 'file:R', '--variant', variant, '--arch', 'x86_64', '--version', '1.0.0'],
          ...['--image', 'root=r.img', '--release-key', 'file:K/all.pem'],
          ...['--online-key', 'file:K/all.pem'],
        ]),
      ),
    );
    expect(published.map(({ code, stderr }) => [code, code === 0 ? '' : stderr])).toEqual(
      VARIANTS.map(() => [0, '']),
    );
    const status = JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
    expect(status.releases).toHaveLength(VARIANTS.length);
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report).toMatchObject({ targets: 17, failures: [] });
  });
});
