import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { writePubsysRepository } from '../../support/pubsys-repository.ts';
import {
  KEYS,
  FROM,
  TWO,
  setup,
  importJson,
  codes,
  objects,
  opened,
} from '../../support/import-workplace.ts';

describe('tidegate repo import of a hostile or damaged source', () => {
  it.each([
    {
      fault: 'an image with another byte',
      name: 'build/bottlerocket-aws-k8s-1.32-x86_64-1.44.0-0123abcd-root.ext4.lz4',
    },
    { fault: 'targets metadata with another byte', name: 'M/1772000000.targets.json' },
    { fault: 'a timestamp with another byte', name: 'M/timestamp.json' },
  ])('refuses $fault and publishes nothing', async ({ name }) => {
    await using place = await setup();
    const path = join(place.workplace.folder, 'S', name.replace(/^M/, place.source.metadataFolder));
    const bytes = await readFile(path);
    const last = bytes.lastIndexOf('0'.charCodeAt(0));
    const where = name.startsWith('M') ? last : bytes.length - 20;
    bytes[where] = (bytes[where] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const { code, stderr } = await place.workplace.run(
      'repo',
      'import',
      'file:R',
      ...FROM,
      ...KEYS,
    );
    expect(code).toBe(1);
    expect(stderr).not.toContain('this is a bug');
    expect((await opened(place.workplace)).published).toEqual([]);
  });

  it('refuses a longer image than the metadata says', async () => {
    await using place = await setup();
    const name = 'S/build/bottlerocket-aws-k8s-1.32-x86_64-1.44.0-0123abcd-boot.ext4.lz4';
    const path = join(place.workplace.folder, name);
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.alloc(1000)]));
    const { code, stderr } = await place.workplace.run(
      'repo',
      'import',
      'file:R',
      ...FROM,
      ...KEYS,
    );
    expect([code, stderr.includes('this is a bug')]).toEqual([1, false]);
    expect((await opened(place.workplace)).published).toEqual([]);
  });

  it('refuses a source of other keys than the given root', async () => {
    await using place = await setup();
    await writePubsysRepository(join(place.workplace.folder, 'O'), { ...TWO, key: 'root1' });
    const { code, stderr } = await place.workplace.run(
      ...['repo', 'import', 'file:R', '--from', 'S', '--root', 'O/root.json', ...KEYS],
    );
    expect(code).toBe(1);
    expect(stderr).toContain('cannot be followed from the given root');
  });

  it('refuses a root that counts one key twice', async () => {
    await using place = await setup();
    const path = join(place.workplace.folder, 'S/root.json');
    const root = JSON.parse(await readFile(path, 'utf8'));
    const [key] = Object.values(root.signed.keys);
    root.signed.keys.other = key;
    root.signed.roles.root.keyids.push('other');
    await writeFile(path, JSON.stringify(root));
    const { code, stderr } = await place.workplace.run(
      'repo',
      'import',
      'file:R',
      ...FROM,
      ...KEYS,
    );
    expect(code).toBe(1);
    expect(stderr).toContain('one key under two ids');
  });

  it('refuses an expired source, and imports it only by the name of the danger', async () => {
    await using place = await setup({ ...TWO, expires: '2026-02-28T00:00:00.5Z' });
    const refused = await place.workplace.run('repo', 'import', 'file:R', ...FROM, ...KEYS);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('--unsafe-allow-expired');
    const report = await importJson(place.workplace, '--unsafe-allow-expired');
    expect(report.releases).toHaveLength(2);
    expect(codes(report)).toContain('import/expired');
  });

  it('refuses a signed image that is not of its format, and stores nothing of it', async () => {
    await using place = await setup({ ...TWO, damagedImages: true });
    const { code, stderr } = await place.workplace.run(
      ...['repo', 'import', 'file:R', ...FROM, ...KEYS],
    );
    expect([code, stderr.includes('not what its format says')]).toEqual([1, true]);
    expect((await objects(place.workplace)).filter((name) => name.endsWith('.lz4'))).toEqual([]);
  });
});
