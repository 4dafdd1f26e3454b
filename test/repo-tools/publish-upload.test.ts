import { createHash } from 'node:crypto';
import { appendFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { openRepository } from '../../adapters/repository/repository.ts';
import { openSigner } from '../../adapters/signing/open.ts';
import { inspectImage, passOver } from '../../repo-tools/images.ts';
import type { ImageSource } from '../../repo-tools/images.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { makeMemoryPlace } from '../support/memory-place.ts';
import { initRepository, publishArguments, writeImages } from '../support/small-repository.ts';

const MIB = 1024 * 1024;

async function setup() {
  const workplace = await makeWorkplace();
  await initRepository(workplace);
  await writeImages(workplace, 'first');
  return workplace;
}

async function targetsOf(workplace: Workplace): Promise<readonly string[]> {
  return (await readdir(join(workplace.folder, 'R', 'targets'))).toSorted();
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function imageFile(
  workplace: Workplace,
  bytes: Uint8Array,
  format: ImageSource['format'],
): Promise<ImageSource> {
  const path = join(workplace.folder, 'image');
  await writeFile(path, bytes);
  return { image: 'root', path, format };
}

describe('passOver', () => {
  const raw = Buffer.alloc(3 * MIB + 17, 'an image of many chunks ');

  it.each([
    { format: 'raw', stored: raw },
    { format: 'zstd', stored: zstdCompressSync(raw) },
    { format: 'raw', stored: Buffer.alloc(0) },
  ] as const)('hashes $stored.length bytes of $format as stored and raw', async (of) => {
    await using workplace = await makeWorkplace();
    const { format, stored } = of;
    const expected = format === 'raw' ? stored : raw;
    const source = await imageFile(workplace, stored, format);
    let told = 0;
    const inspected = await inspectImage(source, (bytes) => {
      told += bytes;
    });
    expect(inspected).toEqual({
      ...source,
      length: stored.length,
      sha256: sha256(stored),
      raw: { size: expected.length, sha256: sha256(expected) },
    });
    expect(told).toBe(stored.length);
  });

  it('refuses an image that somebody writes to while it is read', async () => {
    await using workplace = await makeWorkplace();
    const source = await imageFile(workplace, raw, 'raw');
    const { bytes } = passOver(source, () => undefined);
    await expect(
      (async () => {
        let isFirst = true;
        for await (const _ of bytes) {
          if (isFirst) await appendFile(source.path, 'x');
          isFirst = false;
        }
      })(),
    ).rejects.toMatchObject({ code: 'image/changed' });
  });

  it.each([
    { case: 'damaged in the middle', damage: (bytes: Buffer) => bytes.fill(0xff, 12, 200) },
    { case: 'cut off', damage: (bytes: Buffer) => bytes.subarray(0, bytes.length - 5) },
    { case: 'no zstd at all', damage: () => Buffer.alloc(2 * MIB, 'noise') },
  ])('refuses a zstd image that is $case', async ({ damage }) => {
    await using workplace = await makeWorkplace();
    const noise = Buffer.from(
      Array.from({ length: 40_000 }, (_, index) => sha256(Buffer.from(`${index}`))).join(''),
    );
    const source = await imageFile(workplace, damage(zstdCompressSync(noise)), 'zstd');
    await expect(inspectImage(source, () => undefined)).rejects.toMatchObject({
      code: 'compression/damaged',
    });
  });

  it('lets whoever reads it leave early', async () => {
    await using workplace = await makeWorkplace();
    const source = await imageFile(workplace, zstdCompressSync(raw), 'zstd');
    for await (const _ of passOver(source, () => undefined).bytes) break;
    expect((await inspectImage(source, () => undefined)).raw.size).toBe(raw.length);
  });
});

describe('tidegate publish after a run that did not come to its end', () => {
  it('sends only what is not there yet', async () => {
    await using workplace = await setup();
    // The last image is not of its format, so the run ends when the others are sent.
    const broken = await workplace.run(...publishArguments('1.0.0', '--format', 'hash=zstd'));
    expect(broken.code).toBe(1);
    const sent = (await targetsOf(workplace)).filter((name) => name.includes('1.0.0'));
    expect(sent.map((name) => name.replace(/^[0-9a-f]{64}\./, '')).toSorted()).toEqual([
      'aws-k8s-1.32-x86_64-1.0.0-boot',
      'aws-k8s-1.32-x86_64-1.0.0-root.zst',
    ]);
    const inodes = async () =>
      Promise.all(
        sent.map(async (name) => (await stat(join(workplace.folder, 'R', 'targets', name))).ino),
      );
    const before = await inodes();
    const { code, stderr } = await workplace.run(...publishArguments('1.0.0'));
    expect(code).toBe(0);
    expect(stderr.match(/^[a-z]+ [a-z]+(?=:)/gm)).toEqual([
      'check boot',
      'check root',
      'upload hash',
    ]);
    expect(await inodes()).toEqual(before);
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report).toMatchObject({ targets: 5, failures: [] });
  });

  it('sends other bytes of the same length, and signs those', async () => {
    await using workplace = await setup();
    await workplace.run(...publishArguments('1.0.0', '--format', 'hash=zstd'));
    await writeFile(join(workplace.folder, 'b.img'), 'boot image FIRST');
    await workplace.must(...publishArguments('1.0.0'));
    const name = `${sha256(Buffer.from('boot image FIRST'))}.aws-k8s-1.32-x86_64-1.0.0-boot`;
    expect(await targetsOf(workplace)).toContain(name);
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report.failures).toEqual([]);
  });

  it('does not upload what is published under the version already', async () => {
    await using workplace = await setup();
    await workplace.must(...publishArguments('1.0.0'));
    await writeImages(workplace, 'second');
    const { code, stderr } = await workplace.run(...publishArguments('1.0.0'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^hash boot:/m);
    expect(stderr).not.toMatch(/^upload /m);
  });
});

describe('tidegate publish into a role that is full', () => {
  it('is refused before an image is sent', async () => {
    await using place = await makeMemoryPlace();
    const { workplace } = place;
    await initRepository(workplace);
    await writeImages(workplace, 'first');
    const storage = place.at('file:R');
    const signers = await Promise.all(
      ['release', 'online'].map((name) =>
        openSigner(`file:K/${name}.pem`, { cwd: workplace.folder, env: {} }),
      ),
    );
    // The images fit, and their document does not.
    const addFiles = Array.from({ length: 497 }, (_, index) => ({
      name: `aws-k8s-1.32-x86_64-0.${index}.0-boot`,
      bytes: Buffer.from('old'),
    }));
    await openRepository({ storage, now: () => workplace.now }).commit({
      signers,
      edit: () => ({ roles: new Map([['releases-aws-k8s-1.32-x86_64', { addFiles }]]) }),
    });
    const before = Object.keys(await place.objects('file:R'));
    const ran = await workplace.run(...publishArguments('1.0.0'));
    expect([ran.code, ran.stderr.includes('target-count')]).toEqual([1, true]);
    expect(Object.keys(await place.objects('file:R'))).toEqual(before);
  });
});

describe('tidegate publish --provenance', () => {
  async function writeStatement(workplace: Workplace, digests: readonly string[]): Promise<void> {
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject: digests.map((digest, index) => ({ name: `${index}`, digest: { sha256: digest } })),
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {
        buildDefinition: { buildType: 'https://example.com/build', resolvedDependencies: [] },
        runDetails: { builder: { id: 'https://example.com/builder' } },
      },
    };
    await writeFile(join(workplace.folder, 'p.json'), JSON.stringify(statement));
  }

  async function digestsOf(workplace: Workplace): Promise<readonly string[]> {
    const files = ['b.img', 'r.img.zst', 'h.img'].map((file) => join(workplace.folder, file));
    return Promise.all(files.map(async (file) => sha256(await readFile(file))));
  }

  it('keeps the statement as a target that the release document binds, and does so once', async () => {
    await using workplace = await setup();
    await writeStatement(workplace, await digestsOf(workplace));
    const argv = publishArguments('1.0.0', '--provenance', 'p.json', '--json');
    const { document } = JSON.parse(await workplace.must(...argv));
    const names = await targetsOf(workplace);
    const file = names.find((name) => name.endsWith(document)) ?? '';
    const release = JSON.parse(
      await readFile(join(workplace.folder, 'R', 'targets', file), 'utf8'),
    );
    const statement = await readFile(join(workplace.folder, 'p.json'));
    expect(release.provenance).toEqual({
      target: 'aws-k8s-1.32-x86_64-1.0.0-provenance.json',
      length: statement.length,
      sha256: sha256(statement),
    });
    expect(names).toContain(`${sha256(statement)}.${release.provenance.target}`);
    expect(JSON.parse(await workplace.must(...argv))).toMatchObject({ isNew: false });
    expect((await workplace.run(...publishArguments('1.0.0'))).code).toBe(1);
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report).toMatchObject({ targets: 6, failures: [] });
  });

  it.each([
    { case: 'does not speak of one image', change: (all: readonly string[]) => all.slice(1) },
    { case: 'speaks of other bytes', change: () => ['0'.repeat(64)] },
  ])('refuses a statement that $case, and publishes nothing', async ({ change }) => {
    await using workplace = await setup();
    await writeStatement(workplace, change(await digestsOf(workplace)));
    const { code, stderr } = await workplace.run(
      ...publishArguments('1.0.0', '--provenance', 'p.json'),
    );
    expect([code, stderr.includes('provenance does not speak of image')]).toEqual([1, true]);
    const status = JSON.parse(await workplace.must('repo', 'status', 'file:R', '--json'));
    expect(status.releases).toEqual([]);
  });

  it('refuses a file that is no statement before anything is sent', async () => {
    await using workplace = await setup();
    await writeFile(
      join(workplace.folder, 'p.json'),
      '{"_type":"https://in-toto.io/Statement/v1"}',
    );
    const before = await targetsOf(workplace);
    for (const file of ['p.json', 'missing.json', 'b.img']) {
      const argv = publishArguments('1.0.0', '--provenance', file);
      expect((await workplace.run(...argv)).code).toBe(1);
    }
    expect(await targetsOf(workplace)).toEqual(before);
  });
});
