import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import { runTidegate } from '../support/tidegate-process.ts';
import { startVersitygw } from '../support/versitygw.ts';

const VARIANTS = Array.from({ length: 8 }, (_, index) => `variant-${index}`);

describe('eight publishers of eight variants at the same time', () => {
  it('all land in one bucket of a real S3 store', async () => {
    await using store = await startVersitygw();
    await using workplace = await makeWorkplace();
    workplace.now = new Date();
    const url = store.storageUrl('fleet');
    const run = (...argv: readonly string[]) =>
      runTidegate(workplace.folder, argv, { env: store.env });
    await workplace.must('key', 'new', '--type', 'ed25519', '--out', 'K/all.pem');
    const made = await run(
      ...['repo', 'init', url, '--single-key', 'file:K/all.pem'],
      ...VARIANTS.flatMap((variant) => ['--release-key', `${variant}:x86_64=file:K/all.pem`]),
    );
    expect([made.code, made.stderr]).toEqual([0, '']);
    await writeFile(join(workplace.folder, 'r.img'), 'root image');
    const published = await Promise.all(
      VARIANTS.map((variant) =>
        run(
          ...['publish', url, '--variant', variant, '--arch', 'x86_64', '--version', '1.0.0'],
          ...['--image', 'root=r.img', '--release-key', 'file:K/all.pem'],
          ...['--online-key', 'file:K/all.pem'],
        ),
      ),
    );
    expect(published.map(({ code, stderr }) => [code, code === 0 ? '' : stderr])).toEqual(
      VARIANTS.map(() => [0, '']),
    );
    const verified = await run('repo', 'verify', url, '--json');
    expect(JSON.parse(verified.stdout)).toMatchObject({ targets: 17, failures: [] });
  });
});
