import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from '@jest/globals';
import { openSigner } from '../../adapters/signing/open.ts';
import { openState } from '../../adapters/state/open.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import { appendEntry, auditEntrySchema, EMPTY_CHAIN } from '../../core/audit.ts';
import type { AuditEntry } from '../../core/audit.ts';
import { setup as startServer, TOKEN } from '../server/setup.ts';
import { makeWorkplace } from '../support/cli.ts';
import { initRepository, ONLINE, PLATFORM, publishVersion } from '../support/small-repository.ts';

/** A server on the repository in R with its database in the file S/state.db, and a rollout that was paused: 4 entries. */
async function setup() {
  const resources = new AsyncDisposableStack();
  const workplace = resources.use(await makeWorkplace());
  await initRepository(workplace);
  await publishVersion(workplace, '1.0.0');
  await publishVersion(workplace, '1.1.0', '--rollback-to', '1.0.0');
  const options = { cwd: workplace.folder, env: {} };
  const storage = resources.use(await openStorage('file:R', { access: 'write', ...options }));
  const online = resources.use(await openSigner('file:K/online.pem', options));
  const state = resources.use(await openState('sqlite:S/state.db', options));
  const server = resources.use(
    await startServer({ storage, state, signers: [online], now: () => workplace.now }),
  );
  workplace.env['TIDEGATE_TOKEN'] = TOKEN;
  workplace.env['TIDEGATE_SERVER'] = server.url;
  const id = (await workplace.must('rollout', 'start', ...PLATFORM, '--version', '1.1.0')).slice(
    0,
    10,
  );
  const test = {
    workplace,
    server,
    id,
    audit: (...argv: readonly string[]) => workplace.run('audit', ...argv),
    verify: async (...argv: readonly string[]) => {
      const { code, stdout, stderr } = await workplace.run('audit', 'verify', '--json', ...argv);
      return { code, stderr, verdict: stdout === '' ? null : JSON.parse(stdout) };
    },
    change: async (verb: string) => {
      const yes = verb === 'resume' ? [] : ['--yes'];
      await workplace.must('rollout', verb, id, '--reason', 'boot failures', ...yes);
      await server.context.commitPending();
    },
    /** Somebody with a hand on the database file. */
    tamper: (sql: string) => {
      const database = new DatabaseSync(join(workplace.folder, 'S/state.db'));
      database.exec(sql);
      database.close();
    },
    exportTo: async (file: string) => {
      const text = await workplace.must('audit', 'export');
      await writeFile(join(workplace.folder, file), `${text}\n`);
      return text.split('\n').map((line) => auditEntrySchema.parse(JSON.parse(line)));
    },
    write: (file: string, entries: readonly unknown[]) =>
      writeFile(
        join(workplace.folder, file),
        entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''),
      ),
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
  await server.context.commitPending();
  await test.change('pause');
  return test;
}

/** The entries from `sequence` on with another actor, hashed anew so that they hold together. */
function forgedFrom(entries: readonly AuditEntry[], sequence: number): readonly AuditEntry[] {
  const kept = entries.slice(0, sequence - 1);
  return entries.slice(sequence - 1).reduce((log, entry) => {
    const { sequence: _s, previousHash: _p, hash: _h, ...record } = entry;
    return [...log, appendEntry(log.at(-1) ?? EMPTY_CHAIN, { ...record, actor: 'somebody else' })];
  }, kept);
}

/** The statements that put these entries into the database in place of its own. */
function rewrite(entries: readonly AuditEntry[]): string {
  return entries
    .map(
      ({ sequence, actor, previousHash, hash }) =>
        `update audit set actor = '${actor}', previous_hash = '${previousHash}', hash = '${hash}' where sequence = ${sequence};`,
    )
    .join('\n');
}

describe('tidegate audit list', () => {
  it('tells who did what, when and why', async () => {
    await using test = await setup();
    const { code, stdout } = await test.audit('list');
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(0, 4)).toEqual([
      `1  2026-03-01T12:00:00Z  start accepted  ${test.id}  ? -> running  by operator`,
      `2  2026-03-01T12:00:00Z  start committed  ${test.id}  ? -> running  by operator`,
      `3  2026-03-01T12:00:00Z  pause accepted  ${test.id}  running -> paused  by operator: boot failures`,
      `4  2026-03-01T12:00:00Z  pause committed  ${test.id}  running -> paused  by operator: boot failures`,
    ]);
  });

  it('shows the newest, or those behind an entry, for machines too', async () => {
    await using test = await setup();
    const shown = async (...argv: readonly string[]) => {
      const { entries } = JSON.parse(await test.workplace.must('audit', 'list', '--json', ...argv));
      return entries.map(({ sequence }: AuditEntry) => sequence);
    };
    expect(await shown('--limit', '2')).toEqual([3, 4]);
    expect(await shown('--after', '1')).toEqual([2, 3, 4]);
    expect(await shown('--after', '1', '--limit', '1')).toEqual([2]);
  });

  it('shows an entry that somebody damaged for what it is', async () => {
    await using test = await setup();
    test.tamper("update audit set hash = 'none' where sequence = 2");
    const { code, stdout } = await test.audit('list');
    expect([code, stdout.split('\n')[1]?.slice(0, 20)]).toEqual([0, 'no entry of this log']);
  });
});

describe('tidegate audit export', () => {
  it('writes lines that verify reads, in one piece or from a kept head on', async () => {
    await using test = await setup();
    const entries = await test.exportTo('log.jsonl');
    expect(entries.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(await test.verify('--file', 'log.jsonl')).toMatchObject({
      code: 0,
      verdict: { kind: 'intact', entries: 4, head: { sequence: 4, hash: entries[3]?.hash } },
    });
    const since = ['--since', `2:${entries[1]?.hash}`];
    expect(await test.workplace.must('audit', 'export', '--after', '2')).toBe(
      entries
        .slice(2)
        .map((entry) => JSON.stringify(entry))
        .join('\n'),
    );
    await test.write('rest.jsonl', entries.slice(2));
    expect((await test.verify('--file', 'rest.jsonl', ...since)).code).toBe(0);
    expect((await test.verify('--file', 'log.jsonl', ...since)).code).toBe(0);
    expect(await test.verify('--file', 'rest.jsonl')).toMatchObject({
      code: 1,
      verdict: { sequence: 1, fault: 'removed' },
    });
  });
});

describe('tidegate audit verify', () => {
  it('finds a log whole that the signed manifest bears witness to', async () => {
    await using test = await setup();
    const { code, verdict } = await test.verify('--storage', 'file:R');
    expect([code, verdict.kind]).toEqual([0, 'intact']);
    expect(verdict.witnesses).toMatchObject([{ head: { sequence: 3 } }]);
    const root = ['--root', 'R/metadata/1.root.json'];
    const { stdout } = await test.audit('verify', '--storage', 'file:R', ...root);
    expect(stdout).toMatch(/^4 entries, each as it was written, up to 4:[0-9a-f]{64}$/m);
    expect(stdout).toMatch('names entry 3, and the log holds it; 1 entries are newer');
    expect((await test.audit('verify')).stdout).toMatch('no witness was asked');
  });

  it.each([
    {
      attack: 'a reason that was changed by hand',
      sql: "update audit set reason = 'routine' where sequence = 3",
      verdict: { sequence: 3, fault: 'changed' },
    },
    {
      attack: 'a time that was moved by hand',
      sql: 'update audit set recorded_at = recorded_at - 1000 where sequence = 2',
      verdict: { sequence: 2, fault: 'changed' },
    },
    {
      attack: 'a state that was changed by hand',
      sql: `update audit set after = replace(after, 'paused', 'running') where sequence = 3`,
      verdict: { sequence: 3, fault: 'changed' },
    },
    {
      attack: 'nonsense instead of a rollout',
      sql: `update audit set before = 'nonsense' where sequence = 4`,
      verdict: { sequence: 4, fault: 'changed' },
    },
    {
      attack: 'nonsense instead of a time',
      sql: `update audit set verb_at = 9e15 where sequence = 1`,
      verdict: { sequence: 1, fault: 'changed' },
    },
    {
      attack: 'an entry that was removed',
      sql: 'delete from audit where sequence = 2',
      verdict: { sequence: 2, fault: 'removed' },
    },
    {
      attack: 'an entry that was removed and those behind it moved up',
      sql: 'delete from audit where sequence = 2; update audit set sequence = sequence - 1 where sequence > 2',
      verdict: { sequence: 2, fault: 'changed' },
    },
    {
      attack: 'two entries that changed places',
      sql: `update audit set sequence = 99 where sequence = 2;
        update audit set sequence = 2 where sequence = 3;
        update audit set sequence = 3 where sequence = 99`,
      verdict: { sequence: 2, fault: 'changed' },
    },
  ])('finds $attack in the database', async ({ sql, verdict }) => {
    await using test = await setup();
    test.tamper(sql);
    expect(await test.verify()).toMatchObject({ code: 1, verdict: { kind: 'broken', ...verdict } });
  });

  it.each([
    { attack: 'lines in another order', order: [1, 3, 2, 4], sequence: 2, fault: 'reordered' },
    { attack: 'a line that is gone', order: [1, 2, 4], sequence: 3, fault: 'removed' },
    { attack: 'a line that stands twice', order: [1, 2, 2, 3, 4], sequence: 2, fault: 'repeated' },
  ])('finds $attack in a file, and says so', async ({ order, sequence, fault }) => {
    await using test = await setup();
    const entries = await test.exportTo('log.jsonl');
    await test.write(
      'log.jsonl',
      order.map((place) => entries[place - 1]),
    );
    const { code, verdict, stderr } = await test.verify('--file', 'log.jsonl');
    expect([code, verdict]).toMatchObject([1, { kind: 'broken', sequence, fault }]);
    expect(stderr).toMatch(`entry ${sequence} was ${fault}`);
  });

  it('finds a log whole that forgot its first entries and says so, and not if that entry is gone', async () => {
    await using test = await setup();
    const [, second] = await test.exportTo('log.jsonl');
    const before = new Date(test.workplace.now.getTime() + 1000);
    const { state } = test.server.context;
    await state.forgetAudit({ before, upTo: 2, limit: 10, at: before });
    const { verdict } = await test.verify('--storage', 'file:R');
    const forgotten = { sequence: 2, hash: second?.hash };
    expect(verdict).toMatchObject({ kind: 'intact', forgotten, head: { sequence: 5 } });
    expect((await test.audit('verify')).stdout).toMatch('entries up to 2 were forgotten');
    expect((await test.audit('list')).stdout).toMatch('forget forgotten  this log  by server');
    test.tamper('delete from audit where sequence = 3');
    expect(await test.verify()).toMatchObject({ code: 1, verdict: { fault: 'removed' } });
    test.tamper('delete from audit where sequence = 5');
    expect(await test.verify()).toMatchObject({ code: 1, verdict: { fault: 'removed' } });
  });

  it('finds half a line at the end of a file', async () => {
    await using test = await setup();
    await test.exportTo('log.jsonl');
    const file = join(test.workplace.folder, 'log.jsonl');
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, -40));
    expect((await test.verify('--file', 'log.jsonl')).verdict).toMatchObject({ sequence: 4 });
  });
});

describe('tidegate audit verify, with witnesses', () => {
  it('finds an end that was rewritten and hashed anew by the signed manifest, and only by that', async () => {
    await using test = await setup();
    const entries = await test.exportTo('log.jsonl');
    test.tamper(rewrite(forgedFrom(entries, 2).slice(1)));
    expect((await test.verify()).code).toBe(0);
    expect(await test.verify('--storage', 'file:R')).toMatchObject({
      code: 1,
      verdict: { kind: 'broken', sequence: 3, fault: 'rewritten' },
    });
  });

  it('still finds it when the server has committed again since', async () => {
    await using test = await setup();
    const entries = await test.exportTo('log.jsonl');
    test.tamper(rewrite(forgedFrom(entries, 2).slice(1)));
    await test.change('resume');
    await test.server.restart();
    await test.change('pause');
    expect((await test.verify()).verdict).toMatchObject({ kind: 'intact', entries: 8 });
    expect(await test.verify('--storage', 'file:R')).toMatchObject({
      code: 1,
      verdict: { sequence: 3, fault: 'rewritten' },
    });
    expect(test.server.logged).toContainEqual(
      expect.objectContaining({ level: 50, msg: 'audit log contradicts the manifest' }),
    );
  });

  it('finds an end that was cut off, before and after the server went on', async () => {
    await using test = await setup();
    test.tamper('delete from audit where sequence > 2');
    expect((await test.verify()).code).toBe(0);
    const cut = { code: 1, verdict: { sequence: 3, fault: 'removed' } };
    expect(await test.verify('--storage', 'file:R')).toMatchObject(cut);
    await test.server.restart();
    await test.change('resume');
    expect(await test.verify()).toMatchObject(cut);
    expect(await test.verify('--storage', 'file:R')).toMatchObject(cut);
  });

  it('finds it by a head that somebody kept', async () => {
    await using test = await setup();
    const entries = await test.exportTo('log.jsonl');
    const since = ['--since', `4:${entries[3]?.hash}`];
    expect((await test.verify(...since)).code).toBe(0);
    test.tamper(rewrite(forgedFrom(entries, 4).slice(3)));
    expect((await test.verify('--storage', 'file:R')).code).toBe(0);
    expect((await test.verify(...since)).verdict).toMatchObject({ sequence: 4 });
  });

  it('keeps the witness when the command line commits without the server, and finds its verbs told', async () => {
    await using test = await setup();
    delete test.workplace.env['TIDEGATE_SERVER'];
    const direct = ['--storage', 'file:R', ...ONLINE];
    await test.workplace.must('rollout', 'resume', test.id, ...direct);
    test.workplace.env['TIDEGATE_SERVER'] = test.server.url;
    await test.server.context.link.follow();
    await test.server.context.trail.flush();
    const { verdict } = await test.verify('--storage', 'file:R');
    expect(verdict).toMatchObject({ kind: 'intact', witnesses: [{ head: { sequence: 3 } }] });
    expect((await test.audit('list', '--limit', '1')).stdout).toMatch(
      /resume found .* by operator@/,
    );
  });

  it('keeps the witness when a release of a rollout is amended', async () => {
    await using test = await setup();
    await test.workplace.must(
      ...['release', 'amend', 'file:R', ...PLATFORM, '--version', '1.1.0'],
      ...['--minimum-from', '1.0.0', '--reason', 'test', '--release-key', 'file:K/release.pem'],
      ...ONLINE,
    );
    const { verdict } = await test.verify('--storage', 'file:R');
    expect(verdict).toMatchObject({ kind: 'intact', witnesses: [{ head: { sequence: 3 } }] });
  });

  it('takes no expired repository for a witness unless it is told to', async () => {
    await using test = await setup();
    test.workplace.now = new Date('2026-06-01T00:00:00Z');
    const refused = await test.verify('--storage', 'file:R');
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching('has expired')]);
    const told = await test.verify('--storage', 'file:R', '--unsafe-allow-expired');
    expect(told.code).toBe(0);
  });

  it('takes no repository for a witness that names no log', async () => {
    await using test = await setup();
    await using other = await makeWorkplace();
    await initRepository(other);
    const { code, stderr } = await test.verify('--storage', `file:${other.folder}/R`);
    expect([code, stderr]).toEqual([1, expect.stringMatching('names no audit log')]);
  });
});

describe('tidegate audit, called wrongly', () => {
  it.each([
    { case: 'a server and a file', argv: ['verify', '--server', 'http://h', '--file', 'f'] },
    { case: 'a file that is not there', argv: ['verify', '--file', 'gone.jsonl'] },
    { case: 'a root without a repository', argv: ['verify', '--file', 'f', '--root', 'r'] },
    { case: 'a head without a hash', argv: ['verify', '--file', 'f', '--since', '4'] },
    { case: 'no server', argv: ['list'] },
    { case: 'a limit in words', argv: ['list', '--server', 'http://h', '--limit', 'all'] },
    { case: 'a negative sequence', argv: ['export', '--server', 'http://h', '--after=-1'] },
  ])('says so: $case', async ({ argv }) => {
    await using workplace = await makeWorkplace();
    const { code, stdout } = await workplace.run('audit', ...argv);
    expect([code, stdout]).toEqual([2, '']);
  });
});
