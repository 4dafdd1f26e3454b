import { describe, expect, it } from '@jest/globals';
import { openStorage } from '../../adapters/storage/open.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { startVersitygw } from '../support/versitygw.ts';
import { startStorageWorker } from '../support/workers.ts';
import { contend } from './contended-commits.ts';

const EACH = 500;
const EACH_IN_A_BUCKET = 100;

/** A publisher in a process of its own. */
async function* publisher(
  url: string,
  times: number,
  env: Readonly<Record<string, string>>,
): AsyncGenerator<number, void, undefined> {
  await using worker = startStorageWorker(['publish', url, String(times)], { env });
  await worker.ended();
  for (const line of worker.lines) yield Number(line);
}

describe('a publisher in its own process against the commits of a server', () => {
  it(`loses none of ${2 * EACH} in a folder`, async () => {
    await using folder = await temporaryFolder();
    const url = `file:${folder.path}/R`;
    await using storage = await openStorage(url, { access: 'write', cwd: '/', env: {} });
    const publish = () => publisher(url, EACH, {});
    expect(await contend({ storage, each: EACH, publish })).toBe(2 * EACH);
  }, 300_000);

  it(`loses none of ${2 * EACH_IN_A_BUCKET} in a bucket of a real S3 store`, async () => {
    await using gateway = await startVersitygw();
    const url = gateway.storageUrl('contended');
    const { env } = gateway;
    await using storage = await openStorage(url, { access: 'write', cwd: '/', env });
    const publish = () => publisher(url, EACH_IN_A_BUCKET, env);
    const each = EACH_IN_A_BUCKET;
    expect(await contend({ storage, each, publish })).toBe(2 * each);
  }, 300_000);
});
