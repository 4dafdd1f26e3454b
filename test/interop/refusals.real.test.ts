import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CLIENTS } from './clients.ts';
import { beginLife } from './life.ts';
import type { Life } from './life.ts';
import { openVisitor } from './reading.ts';
import { KEY_KINDS } from './states.ts';
import { recover, skipAhead } from './trust-states.ts';

// Without these the suites that read could not fail: what a thief of the storage changes is refused by every client.

const [{ keys }] = KEY_KINDS;

async function setup(): Promise<Life> {
  const life = await beginLife({ keys });
  await life.init();
  await life.publish('1.0.0');
  return life;
}

/** The only file of the repository whose name ends so, or the one of the highest version. */
async function newest(life: Life, folder: 'metadata' | 'targets', ending: string) {
  const names = (await readdir(join(life.workplace.folder, 'R', folder))).filter((name) =>
    name.endsWith(ending),
  );
  const name = names.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).at(-1);
  if (name === undefined) throw new Error(`there is no ${folder}/*${ending}`);
  return join(life.workplace.folder, 'R', folder, name);
}

async function flipByte(path: string, at: (bytes: Buffer) => number): Promise<void> {
  const bytes = await readFile(path);
  const index = at(bytes);
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

/** The last digit of the year in `expires`: the file stays JSON of the same form and length. */
const inExpiry = (bytes: Buffer) => bytes.indexOf('"expires":"') + '"expires":"202'.length;
const inMiddle = (bytes: Buffer) => Math.floor(bytes.length / 2);

const DAMAGES: readonly {
  readonly damage: string;
  readonly make: (life: Life) => Promise<void>;
}[] = [
  {
    damage: 'one flipped bit in an image',
    make: async (life) => flipByte(await newest(life, 'targets', '-boot'), inMiddle),
  },
  {
    damage: 'one flipped bit in a release document',
    make: async (life) => flipByte(await newest(life, 'targets', '-release.json'), inMiddle),
  },
  {
    damage: 'an image that is cut short',
    make: async (life) => {
      const path = await newest(life, 'targets', '-boot');
      await writeFile(path, (await readFile(path)).subarray(0, -1));
    },
  },
  {
    damage: 'an image that is gone',
    make: async (life) => rm(await newest(life, 'targets', '-boot')),
  },
  ...['timestamp', 'snapshot', 'targets', 'rollouts', 'releases-aws-k8s-1.32-x86_64'].map(
    (role) => ({
      damage: `another expiry in the ${role} role`,
      make: async (life: Life) =>
        flipByte(await newest(life, 'metadata', `${role}.json`), inExpiry),
    }),
  ),
];

describe.each(CLIENTS)('$name', (client) => {
  it.each(DAMAGES)('refuses a repository with $damage', async ({ make }) => {
    await using life = await setup();
    await using visitor = await openVisitor(client);
    await expect(visitor.read(life, 'first visit')).resolves.toBe('read');
    const expected = await life.expected();
    await make(life);
    await expect(visitor.read(life, 'first visit', { expected })).resolves.not.toMatch(/^read$/);
  });

  it('refuses a repository that another root signed', async () => {
    await using life = await setup();
    await using other = await setup();
    await using visitor = await openVisitor(client);
    const firstRoot = await other.root(1);
    const result = await visitor.read(life, 'first visit', { firstRoot });
    expect(result).not.toBe('read');
  });
});

describe.each(CLIENTS.filter(({ remembers }) => remembers))('$name', (client) => {
  it('refuses a timestamp that goes back', async () => {
    await using life = await setup();
    await using visitor = await openVisitor(client);
    const timestamp = await newest(life, 'metadata', 'timestamp.json');
    const old = await readFile(timestamp);
    await life.publish('1.1.0');
    await expect(visitor.read(life, 'from the state before')).resolves.toBe('read');
    const expected = await life.expected();
    await writeFile(timestamp, old);
    const result = await visitor.read(life, 'from the state before', { expected });
    expect(result).not.toBe('read');
  });

  it('believes nothing below 2^31 once a thief of the online key was there, until recover', async () => {
    await using life = await setup();
    await using visitor = await openVisitor(client);
    const timestamp = await newest(life, 'metadata', 'timestamp.json');
    const honest = await readFile(timestamp);
    await skipAhead(life);
    await expect(visitor.read(life, 'from the state before')).resolves.toBe('read');
    await writeFile(timestamp, honest);
    const frozen = await visitor.read(life, 'from the state before');
    expect(frozen).not.toBe('read');
    await recover(life);
    await expect(visitor.read(life, 'from the state before')).resolves.toBe('read');
  });
});
