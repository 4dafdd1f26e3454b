import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { CLIENTS } from '../../core/tuf/lint/check.ts';
import { LINT_CHECKS } from '../../core/tuf/lint.ts';
import { lintStorage } from '../../repo-tools/lint.ts';
import { fileOf, NOW, repositoryObjects, set } from '../support/broken-repositories.ts';
import type { Breaking } from '../support/broken-repositories.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';
import { LINT_FIXTURES } from '../support/lint-fixtures.ts';
import { initRepository, publishVersion } from '../support/small-repository.ts';

describe('lintStorage', () => {
  it('finds nothing in a good repository', async () => {
    const storage = createMemoryStorage(repositoryObjects());
    await expect(lintStorage(storage, { now: NOW })).resolves.toEqual([]);
  });

  it.each(LINT_FIXTURES)(
    '$check fires alone at: $case',
    async ({ check, also = [], ...breaking }) => {
      const storage = createMemoryStorage(repositoryObjects(breaking));
      const findings = await lintStorage(storage, { now: NOW });
      expect([...new Set(findings.map((finding) => finding.check))].toSorted()).toEqual(
        [check, ...also].toSorted(),
      );
    },
  );

  it.each(LINT_CHECKS)('has a broken repository for $name', ({ name }) => {
    expect(LINT_FIXTURES.map(({ check }) => check)).toContain(name);
  });

  it('names every check once, says why, and who is hurt by an error', () => {
    expect(new Set(LINT_CHECKS.map(({ name }) => name)).size).toBe(LINT_CHECKS.length);
    for (const { reason, severity, clients } of LINT_CHECKS) {
      expect(reason).not.toBe('');
      expect(CLIENTS).toEqual(expect.arrayContaining([...clients]));
      if (severity === 'error') expect(clients).not.toEqual([]);
    }
  });

  it('reads metadata at the top of the storage, as other tools lay it out', async () => {
    const objects = [
      ...repositoryObjects({ signed: { snapshot: (s) => set(s, ['spec_version'], '1.0') } }),
    ];
    const storage = createMemoryStorage(
      objects.map(([name, bytes]) => [name.replace(/^metadata\//, ''), bytes] as const),
    );
    await expect(lintStorage(storage, { now: NOW })).resolves.toEqual([
      expect.objectContaining({ check: 'spec-version', where: 'snapshot', what: '1.0' }),
    ]);
  });

  it('begins with the root that is given, and does not ask for older ones', async () => {
    const objects = repositoryObjects({ roots: 3 });
    const root = objects.get('metadata/2.root.json');
    objects.delete('metadata/1.root.json');
    objects.delete('metadata/2.root.json');
    const storage = createMemoryStorage(objects);
    if (root === undefined) throw new Error('there is no 2.root.json');
    await expect(lintStorage(storage, { now: NOW, root })).resolves.toEqual([]);
    await expect(lintStorage(storage, { now: NOW })).rejects.toMatchObject({
      code: 'repository/not-there',
    });
  });

  it('lets no repository write to the terminal that reads of it', async () => {
    const storage = createMemoryStorage(
      repositoryObjects({
        signed: {
          targets: (signed) => set(signed, ['targets', '\u001B[2J\u202E'], fileOf('x')),
        },
      }),
    );
    const findings = await lintStorage(storage, { now: NOW });
    expect(findings.map(({ what }) => what)).toContain('\\u001b[2J\\u202e');
  });

  it('goes round JSON that is nested without end', async () => {
    const deep = `{"a":1,"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    const objects = repositoryObjects({ text: { timestamp: () => deep } });
    const findings = await lintStorage(createMemoryStorage(objects), { now: NOW });
    expect(findings.map(({ check }) => check)).toEqual(['json', 'file-size']);
  });

  it('refuses a storage without a repository', async () => {
    await expect(lintStorage(createMemoryStorage(), { now: NOW })).rejects.toMatchObject({
      code: 'repository/not-there',
    });
  });
});

describe('tidegate repo lint', () => {
  async function setup(breaking: Breaking = {}): Promise<Workplace> {
    const workplace = await makeWorkplace();
    workplace.now = NOW;
    await mkdir(join(workplace.folder, 'R/metadata'), { recursive: true });
    await mkdir(join(workplace.folder, 'R/targets'));
    for (const [name, bytes] of repositoryObjects(breaking)) {
      await writeFile(join(workplace.folder, 'R', name), bytes);
    }
    return workplace;
  }

  it('passes what our own commands make, from init to a rollout', async () => {
    await using workplace = await makeWorkplace();
    await initRepository(workplace);
    await publishVersion(workplace, '1.0.0');
    await expect(workplace.must('repo', 'lint', 'file:R')).resolves.toBe(
      `${LINT_CHECKS.length} checks, errors: 0, warnings: 0`,
    );
  });

  it('fails with a line for what is wrong and one for why and for whom', async () => {
    await using workplace = await setup({
      signed: { snapshot: (signed) => set(signed, ['spec_version'], '1.0.31') },
    });
    const { code, stdout } = await workplace.run('repo', 'lint', 'file:R');
    expect(code).toBe(1);
    expect(stdout.split('\n')).toEqual([
      'error spec-version: snapshot: 1.0.31',
      expect.stringMatching(/^ {2}.*\(tough, rust-tuf\)$/),
      `${LINT_CHECKS.length} checks, errors: 1, warnings: 0`,
      '',
    ]);
  });

  it('warns, and passes, where a rule is only advice', async () => {
    await using workplace = await setup({
      signed: { timestamp: (signed) => set(signed, ['expires'], '2040-01-02T00:00:00Z') },
    });
    const { errors, warnings, findings } = JSON.parse(
      await workplace.must('repo', 'lint', 'file:R', '--json'),
    );
    expect({ errors, warnings }).toEqual({ errors: 0, warnings: 1 });
    expect(findings).toEqual([
      {
        check: 'expires-soon',
        severity: 'warning',
        where: 'timestamp',
        what: '2040-01-02T00:00:00Z',
        reason: expect.any(String),
        clients: [],
      },
    ]);
  });

  it('begins with the root of --root, and says when there is no such file', async () => {
    await using workplace = await setup();
    await rename(
      join(workplace.folder, 'R/metadata/1.root.json'),
      join(workplace.folder, 'anchor.json'),
    );
    await workplace.must('repo', 'lint', 'file:R', '--root', 'anchor.json');
    const missing = await workplace.run('repo', 'lint', 'file:R', '--root', 'none.json');
    expect(missing.code).toBe(2);
  });
});
