import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import {
  initRepository,
  publishArguments,
  publishVersion,
  writeImages,
} from '../support/small-repository.ts';
import { runTidegate } from '../support/tidegate-process.ts';

const PRELOAD = pathToFileURL(join(import.meta.dirname, '..', 'support', 'kill-at-fsync.mjs')).href;

describe('a publisher that is killed', () => {
  it('leaves the old repository or the new one at every fsync, and the next run finishes the job', async () => {
    await using workplace = await makeWorkplace();
    workplace.now = new Date();
    await initRepository(workplace);
    await publishVersion(workplace, '1.0.0');
    await writeImages(workplace, 'second');
    const releases = async (): Promise<readonly string[]> => {
      const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
      expect(report.failures).toEqual([]);
      const status = JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
      return status.releases.map(({ version }: { readonly version: string }) => version);
    };
    let kills = 0;
    let version = 1;
    for (let at = 1; ; at += 1) {
      const argv = publishArguments(`1.${version}.0`);
      const { code, signal, stderr } = await runTidegate(workplace.folder, argv, {
        nodeOptions: ['--import', PRELOAD],
        env: { KILL_AT_FSYNC: String(at) },
      });
      const published = await releases();
      const isNew = published.includes(`1.${version}.0`);
      if (signal === null) {
        expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
        expect(isNew).toBe(true);
        break;
      }
      expect(signal).toBe('SIGKILL');
      kills += 1;
      // Killed behind the commit: the release is out, and the next one is tried at the next fsync.
      if (isNew) version += 1;
    }
    expect(kills).toBeGreaterThanOrEqual(12);
  }, 300_000);
});
