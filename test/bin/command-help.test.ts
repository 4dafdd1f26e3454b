import { describe, expect, it } from '@jest/globals';
import { runCli } from '../../bin/cli.ts';

type Help = { readonly path: readonly string[]; readonly text: string };

async function called(...argv: readonly string[]) {
  const out: string[] = [];
  const code = await runCli(argv, {
    stdout: { write: (text) => out.push(text) },
    stderr: { write: () => true },
    ...{ env: {}, cwd: '/nowhere', now: () => new Date(0), signal: new AbortController().signal },
  });
  return { code, text: out.join('') };
}

/** The names of the commands that a help lists. */
function childrenIn(text: string): readonly string[] {
  const [, list = ''] = /^Commands:\n((?: {2}.*\n?)+)/m.exec(text) ?? [];
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].flatMap(([, name = '']) =>
    name === 'help' ? [] : [name],
  );
}

/** Every command that does something, found by walking down from `tidegate --help`. */
async function leaves(path: readonly string[] = []): Promise<readonly Help[]> {
  const { text } = await called(...path, '--help');
  const children = childrenIn(text);
  if (children.length === 0) return [{ path, text }];
  return (await Promise.all(children.map((name) => leaves([...path, name])))).flat();
}

/** Their result is no value: a script, a stream of entries, a file, or a process that goes on. */
const WITHOUT_JSON = [
  ...['completion', 'serve', 'agent run', 'agent conformance', 'audit export', 'state export'],
];

const all = await leaves();

describe('every command', () => {
  it('is found for all that there are', () => {
    const names = all.map(({ path }) => path.join(' '));
    for (const group of ['rollout', 'release', 'group', 'host', 'audit', 'state', 'repo root']) {
      expect(names.filter((name) => name.startsWith(`${group} `))).not.toEqual([]);
    }
    expect(names.length).toBeGreaterThan(50);
    expect(names).toEqual(expect.arrayContaining(WITHOUT_JSON));
  });

  it.each(all.map(({ path, text }) => ({ name: path.join(' '), text })))(
    '$name shows an example of itself in its help, and has --json where it prints a result',
    ({ name, text }) => {
      const [, example = ''] = /^Examples?:\n([\s\S]*)/m.exec(text) ?? [];
      expect(example).toContain(`tidegate ${name}`);
      expect({ name, isThere: text.includes('--json') }).toEqual({
        name,
        isThere: !WITHOUT_JSON.includes(name),
      });
    },
  );

  it.each(all.map(({ path }) => ({ name: path.join(' '), path })))(
    '$name ends with 2 for an option that the command does not have',
    async ({ path }) => {
      expect(await called(...path, '--no-such-option')).toEqual({ code: 2, text: '' });
    },
  );
});
