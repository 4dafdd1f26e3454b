import { describe, expect, it } from '@jest/globals';
import { openS3Storage } from '../../adapters/storage/s3.ts';
import { isSelected, S3_FAULTS } from '../support/s3-faults.ts';
import type { S3Fault } from '../support/s3-faults.ts';
import { startS3Proxy } from '../support/s3-proxies.ts';
import { publishedVersions } from '../support/small-commits.ts';
import { startVersitygw } from '../support/versitygw.ts';
import { publishedRepository, setup } from './setup.ts';

const READ = { method: 'GET', ending: '/timestamp.json' };

describe('a server on a store that fails', () => {
  it.each<{ readonly fault: S3Fault }>([
    { fault: 'an answer 500' },
    { fault: 'an answer 503 SlowDown' },
    { fault: 'an answer 403' },
    { fault: 'a reset connection' },
    { fault: 'no byte at all' },
    { fault: 'half a body' },
    { fault: 'a length shorter than the body' },
  ])(
    'goes on answering hosts at $fault, and follows when it is over',
    async ({ fault }) => {
      await using gateway = await startVersitygw();
      let isFailing = false;
      await using proxy = await startS3Proxy(gateway.endpoint, async (request, forward) =>
        isFailing && isSelected(request, READ) ? S3_FAULTS[fault](request, forward) : forward(),
      );
      const open = (url: string) =>
        openS3Storage({ url, access: 'write', env: gateway.env, answerMs: 1000 });
      await using direct = await open(gateway.storageUrl('served'));
      await publishedRepository(direct);
      await using storage = await open(gateway.storageUrl('served', proxy.endpoint));
      await using server = await setup({ storage });
      isFailing = true;
      await expect(server.context.link.follow()).rejects.toMatchObject({
        code: expect.stringMatching(/^(storage|tuf)\//),
      });
      expect(server.context.link.contact.kind).toBe('failed');
      expect((await server.checkIn()).status).toBe(200);
      for await (const _ of publishedVersions(direct, 1));
      isFailing = false;
      expect(await server.context.link.follow()).toBe(true);
      expect(server.context.link.contact.kind).toBe('ok');
    },
    60_000,
  );
});
