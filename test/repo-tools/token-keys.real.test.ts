import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { ONLINE, PLATFORM, writeImages } from '../support/small-repository.ts';
import { PIN, SoftHsm } from '../support/softhsm.ts';

const KEY = 'pkcs11:token=CI;object=release?module-name=softhsm2';
const PUBLIC_KEY = 'pkcs11:token=CI;object=release;type=public?module-name=softhsm2';
const IMAGES = ['--image', 'boot=b.img', '--image', 'root=r.img.zst', '--image', 'hash=h.img'];
let hsm: SoftHsm;

beforeAll(async () => {
  hsm = await SoftHsm.make();
  hsm.addToken('CI');
  hsm.addKey('CI', { type: 'EC:prime256v1', label: 'release', id: '01' });
});
afterAll(() => {
  hsm[Symbol.dispose]();
});

async function initWithToken(workplace: Workplace): Promise<void> {
  workplace.env['TIDEGATE_PKCS11_PIN'] = PIN;
  for (const name of ['root', 'targets', 'online']) {
    await workplace.must('key', 'new', '--type', 'ed25519', '--out', `K/${name}.pem`);
  }
  await workplace.must(
    ...['repo', 'init', 'file:R', '--root-key', 'file:K/root.pem', '--root-threshold', '1'],
    ...['--targets-key', 'file:K/targets.pem', ...ONLINE],
    ...['--release-key', `aws-k8s-1.32:x86_64=${KEY}`],
  );
  await writeImages(workplace, 'first');
}

function publish(workplace: Workplace) {
  return workplace.run(
    ...['publish', 'file:R', ...PLATFORM, '--version', '1.0.0', ...IMAGES],
    ...['--release-key', KEY, ...ONLINE],
  );
}

describe('the commands with a key in a hardware token', () => {
  it('publishes a release that the token signed, in a repository that hosts follow', async () => {
    await using workplace = await makeWorkplace();
    await initWithToken(workplace);
    expect(await publish(workplace)).toMatchObject({ code: 0 });
    const report = JSON.parse(await workplace.must('repo', 'verify', 'file:R', '--json'));
    expect(report).toMatchObject({ failures: [] });
    const releases = JSON.parse(await workplace.must('release', 'list', 'file:R', '--json'));
    expect(JSON.stringify(releases)).toContain('"1.0.0"');
  });

  it('publishes nothing when the PIN is wrong, and does not repeat it', async () => {
    await using workplace = await makeWorkplace();
    await initWithToken(workplace);
    workplace.env['TIDEGATE_PKCS11_PIN'] = '111111';
    const before = await readFile(join(workplace.folder, 'R', 'metadata', 'timestamp.json'));
    const { code, stderr } = await publish(workplace);
    expect(code).toBe(1);
    expect(stderr).toContain('CKR_PIN_INCORRECT');
    expect(stderr).not.toContain('111111');
    expect(await readFile(join(workplace.folder, 'R', 'metadata', 'timestamp.json'))).toEqual(
      before,
    );
  });

  it('shows and writes the public half without a PIN', async () => {
    await using workplace = await makeWorkplace();
    const id = await workplace.must('key', 'public', PUBLIC_KEY, '--out', 'release.pub');
    const shown = JSON.parse(await workplace.must('key', 'show', PUBLIC_KEY, '--json'));
    const written = JSON.parse(await workplace.must('key', 'show', 'file:release.pub', '--json'));
    expect(shown).toMatchObject({ keyId: id, scheme: 'ecdsa-sha2-nistp256' });
    expect(written).toEqual(shown);
    workplace.env['TIDEGATE_PKCS11_PIN'] = PIN;
    expect(JSON.parse(await workplace.must('key', 'show', KEY, '--json'))).toEqual(shown);
  });

  it('never exports a private key from a token', async () => {
    await using workplace = await makeWorkplace();
    const ran = await workplace.run('key', 'export', KEY, '--for', 'tuftool', '--out', 'copy');
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('never leaves it');
  });
});
