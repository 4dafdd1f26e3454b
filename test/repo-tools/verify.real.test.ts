import { describe, expect, it } from '@jest/globals';
import { openStorage } from '../../adapters/storage/open.ts';
import { NOW, repositoryObjects } from '../support/broken-repositories.ts';
import { makeWorkplace } from '../support/cli.ts';
import { startVersitygw } from '../support/versitygw.ts';

describe('tidegate repo verify of a bucket', () => {
  it('looks at it without headers, and tells a lost target and a bucket that is gone', async () => {
    await using gateway = await startVersitygw();
    await using workplace = await makeWorkplace();
    workplace.now = NOW;
    Object.assign(workplace.env, gateway.env);
    const url = gateway.storageUrl('repo');
    const objects = repositoryObjects({ roots: 3 });
    await using storage = await openStorage(url, { access: 'write', cwd: '/', env: gateway.env });
    for (const [name, bytes] of objects) {
      const condition = { kind: 'create-only' } as const;
      await storage.put(name, bytes, { condition, cacheControl: 'immutable' });
    }
    const good = JSON.parse(
      await workplace.must('repo', 'verify', url, '--save', 'copy', '--json'),
    );
    expect(good).toMatchObject({ roots: 3, targets: 3, findings: [], isSaved: true });
    const image = [...objects.keys()].find((name) => name.endsWith('-root')) ?? '';
    await storage.delete(image);
    const lost = await workplace.run('repo', 'verify', url, '--since', 'copy', '--json');
    expect([lost.code, JSON.parse(lost.stdout).findings.length]).toEqual([71, 1]);
    await gateway.kill();
    expect((await workplace.run('repo', 'verify', url)).code).toBe(67);
  });
});
